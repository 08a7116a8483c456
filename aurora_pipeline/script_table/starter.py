"""A new campaign's two files: commented, and valid as they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ..errors import BadInput, Problem
from ..gear.images import SUFFIXES
from ..settings import Settings
from .campaigns import CSV, YAML, assert_lawful, shown_folder

_YAML_TEXT = """\
# One campaign: what it is called, what it may cost, and what its rows have in common.
name: {title}

# The most this campaign may ever spend, in US dollars. Without it nothing can be bought (drafts are free).
budget_usd: 10

# approval: required      # every row waits for a person's yes (aurora approve, or a column `approved`); default no
# portrait_check: warn    # buy even when not exactly one face is found on a portrait (drawn, animal); default hold

# What a row of scripts.csv uses when its own cell is empty. A column of the same name overrides it for that row.
defaults:
  portrait: {portrait}           # a file in this folder or in data/avatars, with or without its extension
  voice: heart
  # language: en-US       # the voice's own when left out
  # model: aurora         # or another name of data/models.csv, such as kling-avatar or fabric
  resolution: 480p        # 480p or 720p
  # prompt: "Studio interview, medium close-up, soft light, steady eye-contact."
  # guidance_scale: 1     # how closely Aurora follows the prompt, 0 to 5
  # audio_guidance_scale: 2

# Texts may hold {{{{ names }}}}: each is filled from a column of that name in scripts.csv, or from a second table. A
# row of scripts.csv that uses a column of that table becomes one clip for each of its rows: <clip_id>-<audience_id>.
# audience: audience.csv  # a file of this folder with the column audience_id

# Texts may hold pauses, [pause 0.8s]. A column `audio` names your own recording instead (in this folder or in
# data/recordings); its text may stay empty, and is used for captions.
# speech:
#   seconds: fit          # bring a clip under a whole second when it is a little over: off, trim or fit
#   listen: hold          # a clip that does not say its script is not bought: hold, warn or off

# How words are said: respelled, or as sounds between slashes. Captions stay as written.
# lexicon:
#   Creatify: Kree-ay-tih-fye
#   Aurora: /əˈɹɔːɹə/

# What finished files look like; these are the defaults.
# deliverables:
#   renditions: [9x16, 1x1, 16x9]
#   short_side: 1080      # pixels
#   fit: crop             # crop around the face, or pad on a blurred copy
#   loudness_lufs: -14
#   true_peak_dbtp: -1.5
"""
_CSV_TEXT = """\
clip_id,text
hello,"Hello, and welcome. This is the first clip of your new campaign."
offer,Change these lines to your own words and run the campaign again.
"""


def new_campaign(settings: Settings, name: str) -> Path:
    """Write a campaign that validates, and return its folder. Raises `BadInput` rather than overwrite anything.

    It appears whole or not at all.
    """
    assert_lawful(settings, name)
    folder = settings.campaigns / name
    if os.path.lexists(folder):
        raise BadInput([Problem(shown_folder(settings, name), 0, "", "exists already; choose another name")])
    half = folder.with_name(f".new-{name}-{os.getpid()}")
    half.mkdir(parents=True)
    try:
        title = json.dumps(name.replace("_", " ").replace("-", " ").strip().capitalize() or name)
        (half / YAML).write_text(_YAML_TEXT.format(title=title, portrait=_portrait(settings)), encoding="utf-8")
        (half / CSV).write_text(_CSV_TEXT, encoding="utf-8")
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder


def _portrait(settings: Settings) -> str:
    """A portrait that is there, quoted for YAML; the sample's name when there is none yet."""
    there = settings.avatars.iterdir() if settings.avatars.is_dir() else ()
    names = sorted(file.name for file in there if file.suffix.lower() in SUFFIXES)
    stems = [Path(name).stem for name in names]
    return json.dumps("ana" if "ana" in stems or not names else names[0], ensure_ascii=False)
