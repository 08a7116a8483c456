"""One clip before money: would it be refused, or wasted?  What of it holds the clip back, and what is only said."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..gear.fal_answers import plain
from ..gear.media_store import MediaStore
from ..models import Model
from ..script_table import Campaign
from .limits import doubts_of, look_at, unfit_for, unfit_portrait
from .records import Waiver
from .request import AuroraRequest, SentImage

NOT_AS_IT_IS = "Would not be bought as it is"


@dataclass(frozen=True)
class Suitability:
    """``unfit`` holds a clip back from buying; ``warnings`` are only said."""

    unfit: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def unfit_also(self, sentence: str) -> Suitability:
        """The same, with one more reason not to be bought."""
        return replace(self, unfit=(*self.unfit, sentence))

    @property
    def said_of_a_draft(self) -> tuple[str, ...]:
        """A draft is made all the same; what would hold the clip back is told while it costs nothing."""
        return (*(f"{NOT_AS_IT_IS}: {sentence}" for sentence in self.unfit), *self.warnings)


def suitability_of(
    store: MediaStore, campaign: Campaign, request: AuroraRequest, waiver: Waiver | None = None
) -> Suitability:
    """What the model's limits and the ear say of one clip; its first look at a portrait takes about half a second.

    ``waiver`` is a person's for this clip's audio, if there is one.
    """
    portrait = look_at(store, request.image)
    unfit = unfit_for(request.model, portrait=portrait, seconds=request.speech.seconds)
    judged = _judged(campaign, unfit, doubts_of(request.model, portrait=portrait))
    heard = _heard(campaign, request, waiver)
    return Suitability((*judged.unfit, *heard.unfit), (*judged.warnings, *heard.warnings))


def _heard(campaign: Campaign, request: AuroraRequest, waiver: Waiver | None) -> Suitability:
    """What listening holds against the speech. A person may overrule it, clip by clip or for the whole campaign."""
    speech, clip_id = request.speech, request.script.clip_id
    found = tuple(plain(finding.sentence).removesuffix(" Nothing was spent.") for finding in speech.findings)
    if speech.verdict == "fail" and waiver is not None:
        return Suitability(warnings=(*found, waiver.said))
    if speech.verdict != "fail" or campaign.speech.listen != "hold":
        return Suitability(warnings=found)
    how = f"or, if it is right: aurora waive {campaign.name} {clip_id} --reason TEXT"
    return Suitability((f"{' '.join(found).removesuffix('.')}; {how}",))


def portrait_suitability(store: MediaStore, campaign: Campaign, model: Model, image: SentImage) -> Suitability:
    """What the model's limits say of a portrait alone, before there is speech."""
    portrait = look_at(store, image)
    return _judged(campaign, unfit_portrait(model, portrait), doubts_of(model, portrait=portrait))


def _judged(campaign: Campaign, unfit: tuple[str, ...], doubts: tuple[str, ...]) -> Suitability:
    """A person may overrule the face finder, and nothing else."""
    if campaign.portrait_check == "warn":
        return Suitability(unfit, doubts)
    return Suitability((*unfit, *doubts))
