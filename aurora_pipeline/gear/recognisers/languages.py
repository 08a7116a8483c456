"""The languages Whisper was trained on, as bare tags, and how well its base size hears each of them."""

from __future__ import annotations

_WHISPER = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu "
    "hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt "
    "ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)
WHISPER_LANGUAGES = frozenset(_WHISPER.split())

# Where its transcripts are good enough to be held against a clip: measured on our own good clips (README, "Listening").
# Elsewhere a difference only warns, unless next to nothing of the script is in the sound.
STRONG_LANGUAGES = frozenset({"en", "de", "es", "fr", "it"})


def bare_tag(language: str) -> str:
    """``en_US`` -> ``en``."""
    return language.strip().replace("_", "-").split("-")[0].lower()
