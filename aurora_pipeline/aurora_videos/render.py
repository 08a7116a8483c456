"""A campaign's Scripts and Speech -> Videos: what is bought is kept, what is missing is bought, once.

A clip that fails does not stop its neighbours, except when the account itself is refused: then nothing more is sent.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from ..errors import AuroraError, RequestRefused
from ..gear.media_store import MediaStore
from ..parallel import Outcome, for_each, gather
from ..progress import Progress
from ..script_table import Campaign
from ..settings import Settings
from ..stage_tables import Failure, StageTable, by_clip
from ..tts_audio import Speech
from .ledger import open_ledger
from .pictures import picture_of
from .quote import is_kept, is_spoken, limits_of, quote_campaign
from .quoted import HELD, HELD_BACK, Quote, QuotedClip
from .records import Charge, Video
from .unit_prices import unit_prices

STAGE = "aurora_videos"
NOT_BOUGHT = "Not bought"  # how the sentence of a clip begins that was held back, not tried


def render_campaign(
    settings: Settings,
    campaign: Campaign,
    speeches: Sequence[Speech],
    *,
    run_id: str,
    progress: Progress,
    approved: Quote | None = None,
    needs_approval: bool = False,
) -> StageTable[Video]:
    """Buy (or draft) every clip that has today's speech and is not bought yet.

    Raises `SpendRefused` before anything is sent when paid video was not asked for on purpose, or when the campaign
    would now buy something else than the ``approved`` quote named. A failed clip becomes a `Failure`; its sentence
    says what it cost.
    """
    settings.assert_may_spend(campaign.budget_usd)
    quote = quote_campaign(settings, campaign, speeches, run_id=run_id, needs_approval=needs_approval)
    _sweep(settings, wanted={clip.request.fingerprint for clip in quote.clips})
    if approved is not None:
        quote = approved.carried_out(quote)
    kept = {clip.clip_id for clip in quote.clips if is_kept(settings, clip)}
    held = {clip.clip_id for clip in quote.held}
    missing = _each_once([clip for clip in quote.clips if clip.clip_id not in kept | held])
    progress.advance(STAGE, len(kept), len(quote.clips), f"{len(kept)} kept" if kept else "")
    outcomes = _buy(settings, campaign, quote, missing, run_id, progress) if missing else []
    outdated = _outdated(campaign, speeches, is_paid=settings.provider == "fal")
    return _table(settings, campaign, quote, outcomes, outdated)


def _sweep(settings: Settings, *, wanted: Collection[str]) -> None:
    """End what an earlier run left behind and today's table no longer asks for: it holds money."""
    ledger = open_ledger(settings.ledger)
    if not (left := ledger.left_behind(settings.provider, wanted=wanted)):
        return
    from ..gear.fal import connect
    from .sweep import sweep

    with provider_url(settings) as base_url:
        sweep(settings, ledger, connect(base_url), left)


def _each_once(clips: Sequence[QuotedClip]) -> list[QuotedClip]:
    """One clip of each fingerprint, one that may be bought if any may: what it brings is its twins' too."""
    first: dict[str, QuotedClip] = {}
    for clip in sorted(clips, key=lambda clip: not clip.may_be_bought):
        first.setdefault(clip.request.fingerprint, clip)
    return [clip for clip in clips if first[clip.request.fingerprint] is clip]


def _outdated(campaign: Campaign, speeches: Sequence[Speech], *, is_paid: bool) -> tuple[Failure, ...]:
    """Clips whose speech says something else than the script does today, or is a draft where video is paid."""
    spoken = by_clip(speeches)
    changed = "The text or voice changed since it was spoken; run tts_audio first. Nothing was spent."
    draft = "Its speech is a draft of a paid voice; run tts_audio with AURORA_PROVIDER=fal first. Nothing was spent."
    return tuple(
        Failure(campaign.name, script.clip_id, STAGE, draft if is_paid and speech.is_draft else changed)
        for script in campaign.scripts
        if (speech := spoken.get(script.clip_id)) is not None
        and not is_spoken(script, speech, campaign.speech, is_paid=is_paid)
    )


def _buy(
    settings: Settings, campaign: Campaign, quote: Quote, missing: list[QuotedClip], run_id: str, progress: Progress
) -> list[Outcome[QuotedClip, Charge]]:
    from .purchase import Purchase
    from .till import Till

    ledger, store, total = open_ledger(settings.ledger), MediaStore(settings.media), len(quote.clips)
    with provider_url(settings) as base_url:
        from ..gear.fal import connect

        fal = connect(base_url)
        units = unit_prices(fal.platform, quote)
        till = Till(settings, run_id, limits_of(settings, campaign), ledger, store, fal, units.usd)

        def complete(clip: QuotedClip, stop: threading.Event) -> Charge:
            return Purchase(till, units.guarded(clip)).complete(stop)

        def tell(outcome: Outcome[QuotedClip, Charge], done: int) -> None:
            progress.advance(STAGE, total - len(missing) + done, total, _said(outcome))

        def stops_all(error: AuroraError) -> bool:
            if isinstance(error, RequestRefused) and error.stops_the_run:
                till.is_locked.set()
            return till.is_locked.is_set()

        return for_each(missing, complete, workers=_workers(settings), on_outcome=tell, stops_all=stops_all)


def _workers(settings: Settings) -> int:
    """Half as many again as may be made at once, so that uploads and downloads never leave the provider idle."""
    return settings.requests_in_flight + math.ceil(settings.requests_in_flight / 2)


@contextlib.contextmanager
def provider_url(settings: Settings) -> Iterator[str]:
    """Base URL of the studio, started and stopped as needed; empty for fal itself."""
    if settings.provider == "fal":
        yield ""
        return
    from ..gear.studio_process import studio

    with studio(
        settings.studio_folder, settings.price_book, workers=settings.requests_in_flight, url=settings.studio_url
    ) as base_url:
        yield base_url


def _said(outcome: Outcome[QuotedClip, Charge]) -> str:
    clip = outcome.item.clip_id
    return f"{clip} failed" if outcome.error is not None else f"{clip} is here"


def _table(
    settings: Settings,
    campaign: Campaign,
    quote: Quote,
    outcomes: list[Outcome[QuotedClip, Charge]],
    outdated: tuple[Failure, ...],
) -> StageTable[Video]:
    good, bad = gather(outcomes)
    bought = {charge.fingerprint: charge for charge in good}
    failures = outdated + tuple(_failed(clip, o) for o in bad for clip in quote.clips if _is_for(clip, o))
    failures += tuple(Failure(campaign.name, clip.clip_id, STAGE, _why_held(clip)) for clip in quote.held)
    rows, failed_ids = [], {failure.clip_id for failure in failures}
    for clip in quote.clips:
        if clip.clip_id in failed_ids:
            continue
        charge = bought.get(clip.request.fingerprint, clip.charge)
        if charge is not None:
            rows.append(_video(settings, clip, charge))
    return StageTable(tuple(rows), failures, made=len({charge.charge_id for charge in good} - _settled_before(quote)))


def _is_for(clip: QuotedClip, outcome: Outcome[QuotedClip, Charge]) -> bool:
    """True for the clip that failed, and for its twins: the same purchase under another name."""
    is_same = clip.request.fingerprint == outcome.item.request.fingerprint
    return is_same and clip.standing not in HELD


def _failed(clip: QuotedClip, outcome: Outcome[QuotedClip, Charge]) -> Failure:
    twin = "" if clip is outcome.item else f"It is the same video as {outcome.item.clip_id}. "
    return Failure(clip.request.script.campaign, clip.clip_id, STAGE, f"{twin}{outcome.error}")


def _settled_before(quote: Quote) -> set[str]:
    return {clip.charge.charge_id for clip in quote.clips if clip.charge is not None and clip.charge.state == "settled"}


def _why_held(clip: QuotedClip) -> str:
    if clip.standing == "unfit":
        return f"{NOT_BOUGHT}: {clip.why}. Buying it could waste ${clip.list_usd:.2f}. Nothing was spent."
    if clip.standing == HELD_BACK:
        return f"{NOT_BOUGHT}: {clip.why} Nothing was spent on it."
    return f"{NOT_BOUGHT}: it waits for approval ({clip.why}). Nothing was spent."


def _video(settings: Settings, clip: QuotedClip, charge: Charge) -> Video:
    script, sha256, store = clip.request.script, charge.video_sha256 or "", MediaStore(settings.media)
    seen = picture_of(store, sha256)
    name = f"{script.clip_id}.DRAFT.mp4" if charge.provider == "studio" else f"{script.clip_id}.mp4"
    store.lay_out(sha256, settings.stage_folder(STAGE) / script.campaign / name)
    was_reused = (charge.campaign, charge.clip_id) != (script.campaign, script.clip_id)
    return Video(
        campaign=script.campaign,
        clip_id=script.clip_id,
        provider=charge.provider,
        is_draft=charge.provider == "studio",
        endpoint=charge.endpoint,
        fingerprint=charge.fingerprint,
        charge_id=charge.charge_id,
        request_id=charge.request_id or "",
        sha256=sha256,
        speech_sha256=clip.request.speech.sha256,
        portrait_sha256=script.portrait_sha256,
        resolution=script.resolution,
        width=seen.width,
        height=seen.height,
        fps=seen.fps,
        seconds=seen.seconds,
        billed_seconds=charge.billed_seconds or 0,
        usd_per_second=charge.usd_per_unit,
        usd=Decimal(0) if was_reused else charge.billed_usd or Decimal(0),
        was_reused=was_reused,
        model=script.model,
    )
