"""AURORA_LISTENER -> who compares speech with its script before video of it is paid for.

A bought recogniser listens only where video is bought too: a draft is heard by the offline one, or by nobody.
"""

from __future__ import annotations

from ..errors import BadSetting
from ..gear import recognisers
from ..gear.recognisers import NOT_INSTALLED, Nobody, Recogniser
from ..gear.recognisers.languages import bare_tag
from ..gear.speech_endpoints import RecogniserModel
from ..script_table.records import Campaign
from ..settings import Settings
from ..speech_models import read_speech_models
from .records import Speech

CHOICES = ("auto", "whisper", "off")


def recogniser_of(settings: Settings) -> Recogniser | Nobody:
    """The recogniser of this machine where it is installed and asked for; ``auto`` asks for it.

    Raises `BadSetting` for a listener that does not exist or is not installed.
    """
    if (asked := settings.listener) == "off":
        return Nobody("AURORA_LISTENER is off")
    if paid_listener(settings) is not None:
        return Nobody(f"{asked} is asked")
    found = recognisers.offline()
    if asked == "whisper" and found is None:
        raise BadSetting(
            "AURORA_LISTENER is 'whisper', which is not installed; run: pip install 'aurora-pipeline[listen]', or "
            "unset it. Nothing was spent."
        )
    is_local = asked in CHOICES
    nobody = NOT_INSTALLED if is_local else f"{asked} listens with AURORA_PROVIDER=fal only; for drafts {NOT_INSTALLED}"
    return found or Nobody(nobody)


def paid_listener(settings: Settings) -> RecogniserModel | None:
    """The recogniser of speech_models.csv that AURORA_LISTENER names, where it is asked: with provider fal.

    Raises `BadSetting` for a listener that does not exist.
    """
    if settings.listener in CHOICES:
        return None
    table = read_speech_models(settings.speech_models)
    named = next((row for row in table.recognisers if row.name == settings.listener), None)
    if named is None:
        known = ", ".join([*CHOICES, *(row.name for row in table.recognisers)])
        raise BadSetting(f"AURORA_LISTENER is '{settings.listener}'; use one of: {known}. Nothing was spent.")
    return named if settings.provider == "fal" else None


def unheard_by(settings: Settings, campaign: Campaign, speech: Speech) -> str:
    """Who would listen to this speech now although nobody has, or only another did who is free; empty when all is well.

    Stages run alone and on different days: speech may come from a machine without the recogniser, or from before a
    paid one was asked for.
    """
    if campaign.speech.listen == "off" or not speech.text:
        return ""
    if (paid := paid_listener(settings)) is not None:
        is_heard = speech.recogniser == f"{paid.name} {paid.endpoint}" or not paid.speaks(speech.language)
        return "" if is_heard else paid.name
    ear = recogniser_of(settings)
    if isinstance(ear, Nobody) or not speech.is_unheard or bare_tag(speech.language) not in ear.languages:
        return ""
    return ear.name
