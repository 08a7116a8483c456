"""What is said to whoever stops a run: what it spent, what may still be billed, what was taken back."""

from dataclasses import replace
from decimal import Decimal

import pytest

from aurora_pipeline.aurora_videos.ledger import Bill, open_ledger
from aurora_pipeline.aurora_videos.ledger_tables import WITHDRAWN
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.spent import spent_so_far
from aurora_pipeline.settings import Settings
from aurora_pipeline_tests.test_ledger import PLAN


@pytest.fixture
def settings(tmp_path):
    return Settings(root=tmp_path, output=tmp_path, provider="fal", fal_key_is_set=True)


def _charge(settings, number, *, until, **changes):
    """One charge of the run, brought as far as ``until``."""
    ledger, name = open_ledger(settings.ledger), f"c{number}"
    named = {"charge_id": name, "clip_id": name, "fingerprint": f"{number:064d}", "provider": settings.provider}
    plan = replace(PLAN, **named | changes)
    ledger.claim(plan, limits=Limits())
    ledger.mark_sending(name, audio_url="u")
    ledger.mark_accepted(name, request_id=f"r-{number}")
    if until == "rejected":
        ledger.reject(name, "no face")
    if until == "withdrawn":
        ledger.refuse(name, WITHDRAWN)
    if until == "settled":
        ledger.mark_completed(name, result={}, billable_units=None)
        ledger.mark_stored(name, video_sha256="v")
        ledger.settle(name, Bill(4, Decimal("0.56"), "measured"))


def test_a_clip_whose_speech_is_bought_too_is_one_clip(settings):
    _charge(settings, 1, until="settled", kind="speech", clip_id="hello")
    _charge(settings, 2, until="settled", clip_id="hello")

    assert spent_so_far(settings, "r") == "This run has spent $1.12 for 1 clip."


def test_a_run_that_did_nothing_has_spent_nothing(settings):
    assert spent_so_far(settings, "r") == "This run has spent $0.00 for 0 clips."


def test_settled_under_way_and_withdrawn_are_told_apart_to_the_cent(settings):
    for number, until in enumerate(["settled", "settled", "accepted", "withdrawn"]):
        _charge(settings, number, until=until)
    _charge(settings, 9, until="settled", run_id="another run")

    assert spent_so_far(settings, "r") == (
        "This run has spent $1.12 for 2 clips. 1 clip under way at the provider and may cost up to $0.70; the next run "
        "fetches them. 1 clip withdrawn from its queue at no cost."
    )


def test_what_was_refused_and_may_be_billed_is_not_kept_quiet(settings):
    _charge(settings, 1, until="rejected")

    assert spent_so_far(settings, "r") == (
        "This run has spent $0.00 for 0 clips. 1 clip refused, which may be billed; $0.70 stays held."
    )


def test_drafts_are_said_to_be_free(settings):
    drafting = replace(settings, provider="studio")
    _charge(drafting, 1, until="settled")
    _charge(drafting, 2, until="accepted")

    assert spent_so_far(drafting, "r") == (
        "1 clip drafted by this run; drafts are free. 1 clip under way at the provider; the next run fetches them."
    )
