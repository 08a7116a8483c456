"""Clips whose files would collide: the same name, or one that differs only by case or Unicode form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Problem
from ..gear.strict_csv import CsvRow
from .audience import Member


@dataclass(frozen=True)
class Named:
    """A clip's name and where it comes from: a line of scripts.csv, and who of the audience it is for."""

    clip_id: str
    line: int
    member: Member | None = None


def twin_rows(file: str, rows: Iterable[CsvRow]) -> dict[int, Problem]:
    """A problem for every row that repeats another's clip_id, by line."""
    seen: dict[str, tuple[str, int]] = {}
    found = {}
    for row in rows:
        clip_id = row.cells["clip_id"].strip()
        if not clip_id:
            continue
        first, line = seen.setdefault(_folded(clip_id), (clip_id, row.line))
        if line != row.line:
            sentence = f"'{clip_id[:70]}' {_how(clip_id, first)} on line {line}; give each row its own clip_id"
            found[row.line] = Problem(file, row.line, "clip_id", sentence)
    return found


def twin_clips(file: str, clips: Iterable[Named], audience_file: str) -> list[Problem]:
    """A problem for every row that makes a clip which another row makes too: its first such clip."""
    seen: dict[str, Named] = {}
    found: dict[int, Problem] = {}
    for clip in clips:
        first = seen.setdefault(_folded(clip.clip_id), clip)
        if first is clip or first.line == clip.line or clip.line in found:
            continue
        who = "" if clip.member is None else f" for line {clip.member.line} of {audience_file}"
        sentence = (
            f"makes the clip '{clip.clip_id}'{who}, which {_how(clip.clip_id, first.clip_id)} of line {first.line}; "
            "change one of the two clip_ids"
        )
        found[clip.line] = Problem(file, clip.line, "clip_id", sentence)
    return list(found.values())


def _folded(clip_id: str) -> str:
    return unicodedata.normalize("NFC", clip_id).casefold()


def _how(clip_id: str, first: str) -> str:
    return "is also" if first == clip_id else f"differs only by upper and lower case from '{first}'"
