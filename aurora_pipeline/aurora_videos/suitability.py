"""One clip before money: would it be refused, or wasted?  What of it holds the clip back, and what is only said."""

from __future__ import annotations

from dataclasses import dataclass

from ..gear.media_store import MediaStore
from ..models import Model
from ..script_table import Campaign
from .limits import doubts_of, look_at, unfit_for, unfit_portrait
from .request import AuroraRequest, SentImage


@dataclass(frozen=True)
class Suitability:
    """``unfit`` holds a clip back from buying; ``warnings`` are only said."""

    unfit: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def suitability_of(store: MediaStore, campaign: Campaign, request: AuroraRequest) -> Suitability:
    """What the model's limits say of one clip; its first look at a portrait takes about half a second."""
    portrait = look_at(store, request.image)
    unfit = unfit_for(request.model, portrait=portrait, seconds=request.speech.seconds)
    return _judged(campaign, unfit, doubts_of(request.model, portrait=portrait))


def portrait_suitability(store: MediaStore, campaign: Campaign, model: Model, image: SentImage) -> Suitability:
    """What the model's limits say of a portrait alone, before there is speech."""
    portrait = look_at(store, image)
    return _judged(campaign, unfit_portrait(model, portrait), doubts_of(model, portrait=portrait))


def _judged(campaign: Campaign, unfit: tuple[str, ...], doubts: tuple[str, ...]) -> Suitability:
    """A person may overrule the face finder, and nothing else."""
    if campaign.portrait_check == "warn":
        return Suitability(unfit, doubts)
    return Suitability((*unfit, *doubts))
