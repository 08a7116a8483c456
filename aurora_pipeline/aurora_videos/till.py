"""What all purchases of one run share: who is paid, from which ledger, inside which limits."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from ..gear.fal import FalConnection
from ..gear.media_store import MediaStore
from ..models import read_models
from ..settings import Settings
from .ledger import Ledger
from .spending import Limits
from .uploads import Uploads

STUDIO_HORIZON = timedelta(seconds=3)  # the studio lists a request before it answers


@dataclass(frozen=True)
class Till:
    """One run's till.

    ``unit_usd`` is the provider's own price of one of its units, by endpoint. ``is_locked`` is set when the account
    was refused: then what already waits at the provider is left there, since it is still wanted. ``waits`` is False
    for a look, such as a quote's: what is ready is fetched, and nothing that is still being made is waited for.
    """

    settings: Settings
    run_id: str
    limits: Limits
    ledger: Ledger
    store: MediaStore
    fal: FalConnection
    unit_usd: dict[str, Decimal] = field(default_factory=dict)
    uploads: Uploads = field(default_factory=Uploads)
    is_locked: threading.Event = field(default_factory=threading.Event)
    waits: bool = True

    def audio_field(self, endpoint: str) -> str:
        """What the endpoint calls the upload that a lost request is found by."""
        return read_models(self.settings.models).audio_field(endpoint)

    @property
    def horizon(self) -> timedelta:
        """How long a readable list must not hold a request before it counts as never accepted."""
        settings = self.settings
        return timedelta(seconds=settings.horizon_seconds) if settings.provider == "fal" else STUDIO_HORIZON
