"""Posters -> one small JPEG in the page.

Dagster has no image metadata, but its Markdown shows ``data:`` pictures (reference/dagster.md, section 1). So the sheet
is inline and small; it links to nothing.
"""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from ..deliverables import Deliverable
from ..settings import Settings

TILES_AT_MOST = 24
COLUMNS = 6
BYTES_AT_MOST = 200_000  # of the data: URI, in the run's database for ever


def contact_sheet(settings: Settings, made: Sequence[Deliverable]) -> dg.MarkdownMetadataValue | None:
    """A sheet of the posters of ``made``; None when there is none to show."""
    posters = [row for row in made if row.rendition == "poster" and (settings.output / row.file).is_file()]
    if not posters:
        return None
    shown = posters[:TILES_AT_MOST]
    uri = _smallest_that_fits([settings.output / row.file for row in shown])
    names = ", ".join(row.clip_id for row in shown)
    more = f" and {len(posters) - len(shown)} more" if len(posters) > len(shown) else ""
    return dg.MetadataValue.md(f"![contact sheet]({uri})\n\n{names}{more}")


def _smallest_that_fits(files: Sequence[Path]) -> str:
    for tile, quality in ((200, 80), (160, 75), (120, 70), (80, 60)):
        uri = f"data:image/jpeg;base64,{base64.b64encode(_sheet(files, tile, quality)).decode()}"
        if len(uri) <= BYTES_AT_MOST:
            break
    return uri


def _sheet(files: Sequence[Path], tile: int, quality: int) -> bytes:
    from PIL import Image, ImageOps

    columns = min(COLUMNS, len(files))
    sheet = Image.new("RGB", (columns * tile, math.ceil(len(files) / columns) * tile), "#222222")
    for index, file in enumerate(files):
        with Image.open(file) as poster:
            small = ImageOps.contain(poster.convert("RGB"), (tile, tile))
        left, top = (index % columns) * tile, (index // columns) * tile
        sheet.paste(small, (left + (tile - small.width) // 2, top + (tile - small.height) // 2))
    jpeg = io.BytesIO()
    sheet.save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue()
