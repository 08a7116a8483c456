"""The ``deliverables`` of campaign.yaml -> DeliverySettings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import fields
from .records import DeliverySettings
from .yaml_tree import CORE, YamlReader

if TYPE_CHECKING:
    from yaml.nodes import Node

KEYS = ("renditions", "short_side", "fit", "loudness_lufs", "true_peak_dbtp")
RENDITIONS = ("9x16", "1x1", "16x9")
FITS = ("crop", "pad")


def read_delivery(reader: YamlReader, node: Node | None) -> DeliverySettings:
    """How finished files are to look; what is absent keeps its default."""
    entries = reader.entries(node, KEYS, "deliverables.")
    said: dict[str, Any] = {
        name: reader.value(entries.get(name), f"deliverables.{name}", check, is_number=name != "fit")
        for name, check in _CHECKS.items()
    }
    if "renditions" in entries:
        said["renditions"] = _renditions(reader, entries["renditions"])
    return DeliverySettings(**{name: value for name, value in said.items() if value is not None})


def _renditions(reader: YamlReader, node: Node) -> tuple[str, ...] | None:
    from yaml.nodes import SequenceNode

    column = "deliverables.renditions"
    if not isinstance(node, SequenceNode) or node.tag != f"{CORE}seq":
        reader.add(node, column, f"must be a list such as [{', '.join(RENDITIONS)}]")
        return None
    shapes = [reader.value(item, column, _rendition) for item in node.value]
    repeated = {shape for shape in shapes if shape and shapes.count(shape) > 1}
    for shape in sorted(repeated):
        reader.add(node, column, f"names {shape} twice; keep one")
    return None if repeated or None in shapes else tuple(shapes)


def _short_side(text: str) -> int:
    pixels = fields.plain_number(text, example="1080")
    if pixels % 2 or not 240 <= pixels <= 2160:
        raise ValueError(f"is {text}; use an even number of pixels from 240 to 2160")
    return int(pixels)


def _fit(text: str) -> str:
    if text not in FITS:
        raise ValueError(f"is '{text[:40]}'; use {' or '.join(FITS)}")
    return text


def _loudness(text: str) -> Decimal:
    lufs = fields.plain_number(text, example="-14")
    if not -30 <= lufs <= -8:
        raise ValueError(f"is {text}; use LUFS from -30 to -8 (most platforms play at -14)")
    return lufs


def _true_peak(text: str) -> Decimal:
    dbtp = fields.plain_number(text, example="-1.5")
    if not -9 <= dbtp <= -1:
        raise ValueError(f"is {text}; use dBTP from -9 to -1 (louder peaks distort when platforms code them again)")
    return dbtp


def _rendition(text: str) -> str:
    if text not in RENDITIONS:
        raise ValueError(f"is '{text[:40]}'; use {', '.join(RENDITIONS)}")
    return text


_CHECKS: dict[str, Callable[[str], Any]] = {
    "short_side": _short_side,
    "fit": _fit,
    "loudness_lufs": _loudness,
    "true_peak_dbtp": _true_peak,
}
