"""Settings: nothing is spent by accident, and a wrong variable is one sentence."""

from decimal import Decimal

import fal_client
import pytest

from aurora_pipeline import settings as settings_module
from aurora_pipeline.errors import BadSetting, SpendRefused
from aurora_pipeline.gear import fal
from aurora_pipeline.settings import from_environment


def test_without_being_asked_nothing_is_paid(tmp_path):
    settings = from_environment({"FAL_KEY": "id:secret"}, cwd=tmp_path)

    assert settings.provider == "studio"


@pytest.mark.parametrize(
    ("environment", "budget", "sentence"),
    [
        ({"AURORA_PROVIDER": "fal"}, Decimal(5), "FAL_KEY is not set"),
        ({"AURORA_PROVIDER": "fal", "FAL_KEY": "id:secret"}, None, "has no budget_usd"),
        (
            {"AURORA_PROVIDER": "fal", "FAL_KEY": "id:secret", "AURORA_STUDIO_URL": "http://127.0.0.1:1"},
            Decimal(5),
            "buys real video; unset one of the two. Nothing was spent",
        ),
    ],
)
def test_paid_video_needs_all_three_of_provider_key_and_budget(tmp_path, environment, budget, sentence):
    settings = from_environment(environment, cwd=tmp_path)

    with pytest.raises(SpendRefused, match=sentence):
        settings.assert_may_spend(budget)


def test_with_all_three_it_may(tmp_path):
    from_environment({"AURORA_PROVIDER": "fal", "FAL_KEY": "id:secret"}, cwd=tmp_path).assert_may_spend(Decimal(5))


def test_the_key_is_never_in_a_settings_text(tmp_path):
    assert "secret" not in repr(from_environment({"FAL_KEY": "id:secret"}, cwd=tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AURORA_PROVIDER", "FAL"),
        ("AURORA_WORKERS", "0"),
        ("AURORA_WORKERS", "two"),
        ("AURORA_POLL_SECONDS", "soon"),
        ("AURORA_MAX_USD_PER_RUN", "5 dollars"),
        ("AURORA_MAX_USD_PER_DAY", "-1"),
        ("AURORA_MAX_USD_PER_MONTH", "NaN"),
        ("AURORA_BILL_FACTOR", "0.5"),
        ("AURORA_HORIZON_SECONDS", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_value(tmp_path, name, value):
    with pytest.raises(BadSetting, match=f"{name} is '{value}'.*Nothing was spent"):
        from_environment({name: value}, cwd=tmp_path)


@pytest.mark.parametrize("seconds", ["1", "10919"])
def test_a_horizon_shorter_than_a_request_can_take_is_refused_where_it_would_buy_twice(tmp_path, seconds):
    environment = {"AURORA_PROVIDER": "fal", "AURORA_HORIZON_SECONDS": seconds}

    with pytest.raises(BadSetting) as refused:
        from_environment(environment, cwd=tmp_path)

    assert str(refused.value) == (
        f"AURORA_HORIZON_SECONDS is '{seconds}'; with fal use at least 10920 seconds, or what is still being made "
        "there would be bought again. Nothing was spent."
    )
    assert from_environment(environment | {"AURORA_HORIZON_SECONDS": "10920"}, cwd=tmp_path).horizon_seconds == 10920
    assert from_environment(environment | {"AURORA_PROVIDER": ""}, cwd=tmp_path).horizon_seconds == float(seconds)


def test_the_least_horizon_covers_what_fals_client_is_told_to_wait(tmp_path):
    client = fal_client.SyncClient(key="k")

    assert fal.START_TIMEOUT_SECONDS == settings_module.START_TIMEOUT_SECONDS
    assert client.default_timeout == settings_module.POST_SECONDS
    assert from_environment({}, cwd=tmp_path).horizon_seconds > settings_module.LEAST_HORIZON_SECONDS


def test_no_password_of_a_url_is_in_a_settings_text(tmp_path):
    urls = {"AURORA_LEDGER_URL": "postgresql://a:s3cret@h/l", "AURORA_STUDIO_URL": "http://a:s3cret@h"}

    assert "s3cret" not in repr(from_environment(urls, cwd=tmp_path))


def test_caps_are_money_and_no_cap_is_the_default(tmp_path):
    capped = from_environment({"AURORA_MAX_USD_PER_RUN": "5", "AURORA_MAX_USD_PER_DAY": "25.50"}, cwd=tmp_path)

    assert (capped.max_usd_per_run, capped.max_usd_per_day) == (Decimal(5), Decimal("25.50"))
    assert capped.max_usd_per_month is None


def test_the_root_is_the_nearest_folder_with_campaigns(tmp_path):
    (tmp_path / "data" / "campaigns").mkdir(parents=True)
    deeper = tmp_path / "a" / "b"
    deeper.mkdir(parents=True)

    assert from_environment({}, cwd=deeper).root == tmp_path


def test_one_setting_moves_everything_made(tmp_path):
    settings = from_environment({"AURORA_OUTPUT": str(tmp_path / "elsewhere")}, cwd=tmp_path)

    places = [settings.media, settings.warehouse, settings.dagster_home, settings.studio_folder]
    assert all(place.is_relative_to(tmp_path / "elsewhere") for place in places)
    assert "elsewhere" in settings.ledger


def test_what_other_machines_read_is_relative(tmp_path):
    settings = from_environment({"AURORA_OUTPUT": str(tmp_path)}, cwd=tmp_path)

    assert settings.inside_output(tmp_path / "deliverables" / "a.mp4") == "deliverables/a.mp4"
