"""Video + Speech -> Deliverable.  Master and renditions at one loudness, measured again after they are made."""

from .records import Deliverable, Delivered, Quality

__all__ = ["Deliverable", "Delivered", "Quality"]
