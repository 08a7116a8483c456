"""Facts of one campaign -> rows of every table, as plain values DuckDB can bind.

Pure but for one thing: sizes of speech and videos are read from the media store, when it is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..aurora_videos.reconcile import Reconciliation
from ..aurora_videos.records import SPEECH, VIDEO, Charge, StageRun, Video
from ..gear.media_store import MediaStore
from ..price_book import billed_seconds
from ..script_table.records import Script
from ..settings import Settings
from ..stage_tables import STAGES, Failure, by_clip
from ..tts_audio.records import Speech
from .records import CampaignFacts

Row = dict[str, Any]
FREE_PROVIDER = "studio"
_PIXELS = {"width": "width_pixels", "height": "height_pixels"}


def table_rows(settings: Settings, facts: CampaignFacts) -> dict[str, list[Row]]:
    """Table -> rows. Only rows of this campaign, except charges, which other campaigns may own.

    There is no ``campaigns`` when the campaign's files cannot be read: the row of its last load stays.
    """
    rows = {"campaigns": [_campaign(facts)]} if facts.has_its_files else {}
    return rows | {
        "clips": _clips(facts),
        "charges": charge_rows(facts.charges),
        "artifacts": _artifacts(settings, facts),
        "derivations": _derivations(facts),
        "speech": [_speech(facts, speech) for speech in facts.speeches],
        "videos": _videos(facts),
        "deliverables": _deliverables(facts),
        "quality": [_plain(quality, _PIXELS) for quality in facts.quality],
        "runs": [_run(run) for run in facts.stage_runs if run.campaign == facts.campaign.name],
        "reconciliations": reconciliation_rows(facts.reconciliations),
    }


def _plain(record: Any, renamed: Mapping[str, str] | None = None) -> Row:
    """A record's fields; times become naive UTC, as DuckDB's TIMESTAMP is."""
    names = renamed or {}
    return {names.get(field.name, field.name): _value(getattr(record, field.name)) for field in fields(record)}


def _value(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _paid(provider: str, billed_usd: Decimal | None) -> Decimal:
    return Decimal(0) if provider == FREE_PROVIDER or billed_usd is None else billed_usd


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---- what was spoken
def _speech(facts: CampaignFacts, speech: Speech) -> Row:
    waiver, billed = facts.waiver_of(speech), [each for each in facts.charges_of(speech) if _is_own(each, speech)]
    saved = billed_seconds(speech.spoken_seconds) - billed_seconds(speech.seconds) if speech.spoken_seconds else 0
    row = _plain(speech, {"sample_rate": "sample_rate_hz"}) | {
        "words": len(speech.words),
        "saved_seconds": saved,
        "reasons": " ".join(each.sentence.removesuffix(" Nothing was spent.") for each in speech.findings) or None,
        "words_that_differ": ", ".join(speech.words_that_differ) or None,
        "waived_by": waiver.waived_by if waiver else None,
        "waived_reason": waiver.reason if waiver else None,
        "charge_ids": json.dumps(speech.charge_ids),
        "transcript_charge_id": speech.transcript_charge_id or None,
        "billed_usd": sum((each.billed_usd or Decimal(0) for each in billed), Decimal(0)),
        "paid_usd": sum((_paid(each.provider, each.billed_usd) for each in billed), Decimal(0)),
    }
    return {name: value for name, value in row.items() if name != "findings"}


def _is_own(charge: Charge, speech: Speech) -> bool:
    """False where another clip had bought it: that one paid."""
    return (charge.campaign, charge.clip_id) == (speech.campaign, speech.clip_id)


# ---- what was asked for
def _campaign(facts: CampaignFacts) -> Row:
    campaign, delivery = facts.campaign, facts.campaign.delivery
    return {
        "campaign": campaign.name,
        "title": campaign.title,
        "budget_usd": campaign.budget_usd,
        "clips": len(campaign.scripts),
        "renditions": ", ".join(delivery.renditions),
        "short_side_pixels": delivery.short_side,
        "fit": delivery.fit,
        "loudness_lufs": delivery.loudness_lufs,
        "true_peak_dbtp": delivery.true_peak_dbtp,
        "sha256": campaign.sha256,
    }


def _clips(facts: CampaignFacts) -> list[Row]:
    spoken, statuses = by_clip(facts.speeches), clip_statuses(facts)
    return [
        {
            **_plain(script),
            "text_sha256": _text_sha256(script.text),
            "speech_sha256": spoken[script.clip_id].sha256 if script.clip_id in spoken else None,
            **statuses[script.clip_id],
        }
        for script in facts.campaign.scripts
    ]


def clip_statuses(facts: CampaignFacts) -> dict[str, Row]:
    """By ``clip_id``: ``status``, ``failed_stage`` and ``why``."""
    failed: dict[str, list[Failure]] = {}
    for failure in facts.failures:
        failed.setdefault(failure.clip_id, []).append(failure)
    made = [
        ({speech.clip_id for speech in facts.speeches}, "Its speech is not made yet."),
        ({video.clip_id for video in facts.videos}, "Its video is not made yet."),
        ({made.clip_id for made in facts.deliverables}, "Its finished files are not made yet."),
    ]
    clip_ids = [script.clip_id for script in facts.campaign.scripts]
    return {each: _given_up(failed[each]) if each in failed else _reached(each, made) for each in clip_ids}


def _given_up(failures: Sequence[Failure]) -> Row:
    """The first stage that gave the clip up is the cause."""
    stage = min((failure.stage for failure in failures), key=STAGES.index)
    sentences = dict.fromkeys(failure.sentence for failure in failures if failure.stage == stage)
    return {"status": "failed", "failed_stage": stage, "why": "; ".join(sentences)}


def _reached(clip_id: str, made: Sequence[tuple[set[str], str]]) -> Row:
    why = next((why for clip_ids, why in made if clip_id not in clip_ids), None)
    return {"status": "pending" if why else "delivered", "failed_stage": None, "why": why}


# ---- what was made and paid
def charge_rows(charges: Sequence[Charge]) -> list[Row]:
    """Each charge once, also when it was named twice."""
    return [_charge(charge) for charge in {charge.charge_id: charge for charge in charges}.values()]


def reconciliation_rows(reconciliations: Sequence[Reconciliation]) -> list[Row]:
    """What was compared with the provider's bill, and whether somebody should look at it."""
    return [
        {**_plain(row), "is_draft": row.provider == FREE_PROVIDER, "needs_a_person": row.needs_a_person}
        for row in reconciliations
    ]


def _charge(charge: Charge) -> Row:
    from ..aurora_videos.ledger_tables import HOLDS_MONEY

    return {
        **_plain(charge),
        "audio_seconds": charge.audio_seconds if charge.kind != SPEECH else None,
        "usd_per_second": charge.usd_per_unit if charge.kind == VIDEO else None,
        "is_draft": charge.provider == FREE_PROVIDER,
        "held_usd": charge.reserved_usd if charge.state in HOLDS_MONEY else Decimal(0),
        "paid_usd": _paid(charge.provider, charge.billed_usd),
        "day": charge.planned_at.astimezone(UTC).date(),
    }


def _videos(facts: CampaignFacts) -> list[Row]:
    charges = {charge.charge_id: charge for charge in facts.charges}
    return [_video(video, charges.get(video.charge_id)) for video in facts.videos]


def _video(video: Video, charge: Charge | None) -> Row:
    billed_usd = Decimal(0) if video.was_reused else video.usd
    return {
        **_plain(video, _PIXELS),
        "list_usd": video.billed_seconds * video.usd_per_second,
        "billed_usd": billed_usd,
        "paid_usd": Decimal(0) if video.is_draft else _paid(video.provider, billed_usd),
        "bought_for_campaign": charge.campaign if charge else None,
        "bought_for_clip_id": charge.clip_id if charge else None,
    }


def _deliverables(facts: CampaignFacts) -> list[Row]:
    providers = {(video.clip_id, video.sha256): video.provider for video in facts.videos}
    return [
        {**_plain(made, _PIXELS), "provider": providers.get((made.clip_id, made.video_sha256))}
        for made in facts.deliverables
    ]


def _run(run: StageRun) -> Row:
    return {
        **_plain(run, {"rows": "good_rows", "made": "made_rows"}),
        "seconds": (run.ended_at - run.started_at).total_seconds(),
        "paid_usd": _paid(run.provider, run.billed_usd),
        "day": run.started_at.astimezone(UTC).date(),
    }


# ---- where it comes from
def _artifacts(settings: Settings, facts: CampaignFacts) -> list[Row]:
    found = [*_inputs(facts), *_stored(settings, facts), *_finished(facts)]
    unique: dict[tuple[str, str], Row] = {}
    for row in found:  # the first name wins, so that loading the same facts again gives the same rows
        unique.setdefault((row["sha256"], row["kind"]), {"campaign": facts.campaign.name, **row})
    return list(unique.values())


def _inputs(facts: CampaignFacts) -> Iterable[Row]:
    scripts = facts.campaign.scripts
    for text in [script.text for script in scripts] + [speech.text for speech in facts.speeches]:
        yield _artifact(_text_sha256(text), "script", bytes=len(text.encode()), written=text)
    for script in scripts:
        yield _artifact(script.portrait_sha256, "portrait", written=script.portrait)
        if script.audio_sha256:
            yield _artifact(script.audio_sha256, "recording", written=script.audio)
    for video in facts.videos:
        yield _artifact(video.portrait_sha256, "portrait")


def _stored(settings: Settings, facts: CampaignFacts) -> Iterable[Row]:
    store = MediaStore(settings.media)
    for speech in facts.speeches:
        place = _place(settings, store, speech.sha256)
        yield _artifact(speech.sha256, "speech", seconds=speech.seconds, is_draft=speech.is_draft, **place)
    for video in facts.videos:
        place = _place(settings, store, video.sha256)
        yield _artifact(video.sha256, "video", seconds=video.seconds, is_draft=video.is_draft, **place)


def _finished(facts: CampaignFacts) -> Iterable[Row]:
    for made in facts.deliverables:
        yield _artifact(
            made.sha256,
            made.rendition,
            bytes=made.bytes,
            seconds=made.seconds,
            file=made.file,
            is_draft=made.is_draft,
        )


def _artifact(sha256: str, kind: str, **known: Any) -> Row:
    unknown = dict.fromkeys(("bytes", "seconds", "file", "written"))
    return {"sha256": sha256, "kind": kind, **unknown, "is_draft": False, **known}


def _place(settings: Settings, store: MediaStore, sha256: str) -> Row:
    path = store.path(sha256)
    return {} if path is None else {"bytes": path.stat().st_size, "file": settings.inside_output(path)}


def _derivations(facts: CampaignFacts) -> list[Row]:
    edges = [*_spoken(facts), *_rendered(facts), *_mastered(facts)]
    key = ("clip_id", "output_sha256", "output_kind", "input_sha256", "input_kind")
    return list({tuple(edge[name] for name in key): edge for edge in edges}.values())


def _edge(made: Any, output_kind: str, source: tuple[str, str], **how: Any) -> Row:
    """``source`` is (sha256, kind); the last word of ``how`` is the activity's parameters."""
    activity = {"speech": "tts_audio", "video": "aurora_videos"}.get(output_kind, "deliverables")
    return {
        "campaign": made.campaign,
        "clip_id": made.clip_id,
        "output_sha256": made.sha256,
        "output_kind": output_kind,
        "input_sha256": source[0],
        "input_kind": source[1],
        "activity": activity,
        "parameters": json.dumps(how, ensure_ascii=False, sort_keys=True, default=str),
    }


def _spoken(facts: CampaignFacts) -> Iterable[Row]:
    names = ("voice", "language", "engine", "engine_version", "said", "seconds_mode", "trimmed_seconds")
    for speech in facts.speeches:
        how = {name: getattr(speech, name) for name in (*names, "shaved_seconds", "tempo")} | _bought(facts, speech)
        yield _edge(speech, "speech", (_text_sha256(speech.text), "script"), **how)
        if speech.recording_sha256:
            yield _edge(speech, "speech", (speech.recording_sha256, "recording"), **how)


def _bought(facts: CampaignFacts, speech: Speech) -> Row:
    """By which purchases it came; nothing for speech that was free."""
    charges = facts.charges_of(speech)
    if not charges:
        return {}
    return {
        "charge_ids": [each.charge_id for each in charges],
        "request_ids": [each.request_id for each in charges],
        "provider": charges[0].provider,
        "is_draft": speech.is_draft,
    }


def _rendered(facts: CampaignFacts) -> Iterable[Row]:
    scripts = by_clip(facts.campaign.scripts)
    for video in facts.videos:
        how = _plain(video)
        names = ("provider", "endpoint", "request_id", "charge_id", "fingerprint", "resolution")
        asked = {name: how[name] for name in names}
        script = scripts.get(video.clip_id)
        if script is not None and _is_made_of(video, script):
            asked |= {
                "portrait": script.portrait,
                "prompt": script.prompt,
                "guidance_scale": script.guidance_scale,
                "audio_guidance_scale": script.audio_guidance_scale,
            }
        for source in ((video.speech_sha256, "speech"), (video.portrait_sha256, "portrait")):
            yield _edge(video, "video", source, **asked)


def _is_made_of(video: Video, script: Script) -> bool:
    """False when the row was edited since, so that its wording is not what was sent."""
    was, now = (video.portrait_sha256, video.resolution, video.model), (script.portrait_sha256, script.resolution)
    return was == (*now, script.model)


def _mastered(facts: CampaignFacts) -> Iterable[Row]:
    for made in facts.deliverables:
        shape = {"width_pixels": made.width, "height_pixels": made.height, "video_codec": made.video_codec}
        yield _edge(made, made.rendition, (made.video_sha256, "video"), rendition=made.rendition, **shape)
