"""What must hold of each stage, asked per campaign; every answer says why.

Blocking checks stop the same run only: launching the next asset alone would pass them by. So money is guarded again
inside `aurora_videos` and, last, by the ledger.
"""

import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from ..aurora_videos import Video
from ..aurora_videos.affordable import left_in_words, once_each
from ..deliverables import Deliverable, Quality
from ..deliverables.quality import is_on_target
from ..errors import AuroraError, BadInput
from ..gear.secrets import scrub
from ..pipeline import QUALITY
from ..said import counted, dollars, expected
from ..script_table import Campaign, DeliverySettings, Script
from ..stage_tables import Failure, by_clip, read_failures, read_rows
from ..tts_audio import Speech
from . import metadata as show
from .assets import aurora_videos, deliverables, script_table, tts_audio
from .partitions import campaigns
from .refusals import Waiting
from .resources import Aurora, max_usd_of

if TYPE_CHECKING:
    from ..aurora_videos.quoted import Quote
    from ..aurora_videos.records import Waiver


def _check(
    asset: dg.AssetsDefinition, *, blocking: bool = False
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    def decorate(ask: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        with warnings.catch_warnings():
            # Partitioned checks are in preview in 1.13: we know, and `definitions validate` in CI watches over them.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.asset_check(asset=asset, blocking=blocking, partitions_def=campaigns)(ask)

    return decorate


@_check(script_table, blocking=True)
def scripts_valid(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """The campaign's files can be read without a problem, and are the ones that the script table was made from."""
    job = aurora.job_of_check(context)
    try:
        campaign = aurora.read_campaign(job.settings, job.campaign)
    except BadInput as error:
        return show.check_result(str(error), passed=False, metadata={"problems": show.problems_table(error)})
    except AuroraError as error:
        return show.check_result(str(error), passed=False)
    if read_rows(job.settings, "script_table", job.campaign, Script) != campaign.scripts:
        return show.check_result("The files were changed since script_table read them; materialize it again.",
                                 passed=False)  # fmt: skip
    return show.check_result(f"{counted(len(campaign.scripts), 'script')}, no problems.", passed=True)


@_check(tts_audio)
def speech_audible(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """Every script was spoken, can be heard and says its text; what fails is not bought unless a person waives it."""
    job = aurora.job_of_check(context)
    speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
    waived = aurora.waived(job.settings, job.campaign)
    facts = show.heard(speeches) | show.waived(speeches, waived)
    holds = aurora.read_campaign(job.settings, job.campaign).speech.listen == "hold"
    failed: list[Failure] = list(read_failures(job.settings, "tts_audio", job.campaign))
    doubtful: list[Failure] = []
    for speech in speeches:
        waiver = waived.get((speech.clip_id, speech.waived_as))
        is_held = speech.verdict == "fail" and holds and waiver is None
        if speech.findings:
            (failed if is_held else doubtful).append(_heard(speech, waiver))
    told = f"Words were compared by {facts['words_compared_by']}."
    fine = f"{counted(len(speeches), 'clip')} can be heard. {told}"
    return _verdict(failed + doubtful, fine, facts, is_warning=not failed, ending=told)


def _heard(speech: Speech, waiver: "Waiver | None") -> Failure:
    said = " ".join(finding.sentence for finding in speech.findings)
    said += f" {waiver.said}" if waiver and speech.verdict == "fail" else ""
    return _failure(speech.campaign, speech.clip_id, "tts_audio", f"({speech.verdict}): {said}")


@_check(tts_audio, blocking=True)
def within_budget(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """The worst case of what this run may buy fits every limit, and buying is not stopped. Drafts always fit."""
    try:
        job = aurora.job_of_check(context, max_usd=max_usd_of(context.run))
        quote = aurora.stages.quote_campaign(job)
        campaign = aurora.read_campaign(job.settings, job.campaign)
        job.settings.assert_may_spend(campaign.budget_usd)
        quote = aurora.affordable(job.settings, quote)
    except AuroraError as error:
        return show.check_result(scrub(str(error)), passed=False)
    if quote.provider == "studio":
        return _as_draft(campaign, quote)
    return _as_bought(quote, aurora.waiting(job, quote), aurora.why_stopped(job.settings))


def _as_bought(quote: "Quote", waiting: Waiting | None, stopped: Sequence[str]) -> dg.AssetCheckResult:
    """Clips that are held back are a warning: the run goes on with the others. So is a stop that stops nothing yet."""
    price = f"{counted(len(quote.to_buy), 'clip')} to buy for {expected(quote.usd, quote.reserve_usd)}"
    sentence = f"{price}; left are {left_in_words(quote)}."
    unfit = [clip for clip in quote.held if clip.standing in ("unfit", "held back")]
    held = [f"Buying is stopped: {why}" for why in stopped] + ([waiting.sentence] if waiting else [])
    held += [f"{clip.clip_id} is not bought: {clip.why.removesuffix('.')}." for clip in unfit[:3]]
    held += [f"{counted(len(unfit) - 3, 'more clip')} cannot be bought either."] if len(unfit) > 3 else []
    said = scrub(" ".join([sentence, *held]))
    return show.check_result(said, passed=not held, is_warning=bool(held), metadata=show.quoted(quote))


def _as_draft(campaign: Campaign, quote: "Quote") -> dg.AssetCheckResult:
    """Drafts always pass; that they could not be bought inside the budget is worth a warning."""
    list_usd = sum((clip.list_usd for clip in once_each(quote.clips)), Decimal(0))
    facts: dict[str, Any] = {"provider": quote.provider, "new_clips": len(quote.to_buy)}
    facts |= show.money("usd_if_bought", list_usd)
    sentence = f"Drafts are free; buying all of them would cost {dollars(list_usd)}"
    if campaign.budget_usd is None or list_usd <= campaign.budget_usd:
        return show.check_result(f"{sentence}.", passed=True, metadata=facts)
    sentence += f", above the budget of {dollars(campaign.budget_usd)}."
    return show.check_result(sentence, passed=False, is_warning=True, metadata=facts)


@_check(aurora_videos)
def all_videos_made(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """Every script has its video; a missing one says at which stage it was lost, and why."""
    job = aurora.job_of_check(context)
    scripts = read_rows(job.settings, "script_table", job.campaign, Script)
    made = by_clip(read_rows(job.settings, "aurora_videos", job.campaign, Video))
    known = {failure.clip_id: failure for stage in ("aurora_videos", "tts_audio")
             for failure in read_failures(job.settings, stage, job.campaign)}  # fmt: skip
    missing = [script.clip_id for script in scripts if script.clip_id not in made]
    wrong = [known.get(clip) or _failure(job.campaign, clip, "aurora_videos", "was not made") for clip in missing]
    return _verdict(
        wrong,
        f"{counted(len(made), 'video')} of {counted(len(scripts), 'script')}, none is missing.",
        {"scripts": len(scripts), "made": len(made)},
    )


@_check(aurora_videos)
def bill_matches_quote(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """The bill of each clip is what its measured speech was quoted at. A warning: the money is spent by now."""
    from ..price_book import billed_seconds

    job = aurora.job_of_check(context)
    spoken = by_clip(read_rows(job.settings, "tts_audio", job.campaign, Speech))
    videos = [row for row in read_rows(job.settings, "aurora_videos", job.campaign, Video)
              if not row.was_reused and row.clip_id in spoken]  # fmt: skip
    quoted = {row.clip_id: billed_seconds(spoken[row.clip_id].seconds) * row.usd_per_second for row in videos}
    wrong = [_failure(job.campaign, row.clip_id, "aurora_videos",
                      f"was billed {dollars(row.usd)}, quoted {dollars(quoted[row.clip_id])}")
             for row in videos if row.usd != quoted[row.clip_id]]  # fmt: skip
    billed, expected = sum((row.usd for row in videos), Decimal(0)), sum(quoted.values(), Decimal(0))
    facts = show.money("usd_billed", billed) | show.money("usd_quoted", expected)
    return _verdict(wrong, f"{dollars(billed)}, as quoted.", facts, is_warning=True)


@_check(deliverables)
def deliverables_complete(
    context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]
) -> dg.AssetCheckResult:
    """Every video has its master, its poster and every rendition that the campaign asks for."""
    job = aurora.job_of_check(context)
    asked = {"master", "poster", *aurora.read_campaign(job.settings, job.campaign).delivery.renditions}
    rows = read_rows(job.settings, "deliverables", job.campaign, Deliverable)
    known = by_clip(read_failures(job.settings, "deliverables", job.campaign))
    wrong = []
    for video in read_rows(job.settings, "aurora_videos", job.campaign, Video):
        missing = asked - {row.rendition for row in rows if row.clip_id == video.clip_id}
        if missing:
            sentence = f"has no {', '.join(sorted(missing))}"
            wrong.append(known.get(video.clip_id) or _failure(job.campaign, video.clip_id, "deliverables", sentence))
    return _verdict(wrong, f"{counted(len(rows), 'file')}, nothing is missing.", {"files": len(rows)})


@_check(deliverables)
def quality_verdicts(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """What was measured of every clip passes; a clip that does not is named with its reasons."""
    job = aurora.job_of_check(context)
    rows = read_rows(job.settings, QUALITY, job.campaign, Quality)
    wrong = [_failure(job.campaign, row.clip_id, "deliverables", f"{row.verdict}: {row.reasons}")
             for row in sorted(rows, key=lambda row: row.verdict) if row.verdict != "pass"]  # fmt: skip
    facts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("pass", "warn", "fail")}
    return _verdict(wrong, f"Nothing is wrong with {counted(len(rows), 'clip')}.", facts, is_warning=facts["fail"] == 0)


@_check(deliverables)
def loudness_on_target(context: dg.AssetCheckExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.AssetCheckResult:
    """Every finished file is within 1 LU of the campaign's loudness, under its true peak and under -1 dBTP."""
    job = aurora.job_of_check(context)
    delivery = aurora.read_campaign(job.settings, job.campaign).delivery
    target = float(delivery.loudness_lufs)
    rows = [row for row in read_rows(job.settings, "deliverables", job.campaign, Deliverable) if row.audio_codec]
    wrong = [_failure(job.campaign, row.clip_id, "deliverables", f"{row.rendition} {_loudness(row)}")
             for row in rows if not _is_on_target(row, delivery)]  # fmt: skip
    return _verdict(
        wrong,
        f"Loudness is {target:g} LUFS in {counted(len(rows), 'file')}.",
        {"target_lufs": target, "files": len(rows)},
    )


def _is_on_target(row: Deliverable, delivery: DeliverySettings) -> bool:
    if row.loudness_lufs is None or row.true_peak_dbtp is None:
        return False
    return is_on_target(row.loudness_lufs, row.true_peak_dbtp, delivery)


def _loudness(row: Deliverable) -> str:
    if row.loudness_lufs is None or row.true_peak_dbtp is None:
        return "has no loudness that could be measured"
    return f"is at {row.loudness_lufs:.1f} LUFS, peak {row.true_peak_dbtp:.1f} dBTP"


def _failure(campaign: str, clip_id: str, stage: str, sentence: str) -> Failure:
    return Failure(campaign, clip_id, stage, sentence)


def _verdict(
    wrong: Sequence[Failure], fine: str, facts: dict[str, Any], *, is_warning: bool = False, ending: str = ""
) -> dg.AssetCheckResult:
    """Green with ``fine``, or red naming the first clips and listing all in a table, and ``ending``."""
    if not wrong:
        return show.check_result(fine, passed=True, metadata=facts)
    named = "; ".join(f"{failure.clip_id} {failure.sentence}" for failure in wrong[:3])
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    facts = facts | {"wrong": len(wrong), "clips": show.failures_table(wrong)}
    named += f"{more}. {ending}" if ending else more
    return show.check_result(scrub(named), passed=False, is_warning=is_warning, metadata=facts)
