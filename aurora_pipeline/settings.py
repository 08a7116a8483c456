"""Environment -> Settings.  The only place that reads the environment (FAL_KEY's value excepted: gear/fal.py).

Nothing here touches the disk or the network; a `Settings` is a value that tests build by hand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from .errors import BadSetting, SpendRefused

Provider = Literal["studio", "fal"]
PROVIDERS: tuple[Provider, ...] = ("studio", "fal")
# What a request at fal may take before its list surely has it: fal's clock must have run out on each of them.
START_TIMEOUT_SECONDS = 2 * 3600  # how long a request may wait in the queue; fal drops it then
LONGEST_RUN_SECONDS = 3600
POST_SECONDS = 120  # fal-client's own patience with one POST
LEAST_HORIZON_SECONDS = float(START_TIMEOUT_SECONDS + LONGEST_RUN_SECONDS + POST_SECONDS)


@dataclass(frozen=True)
class Settings:
    """Where things are and what may be done.

    ``root`` holds ``data/``. ``provider`` is ``studio`` (local, free drafts) unless fal was asked for.
    ``fal_key_is_set`` says that a key exists; its value is never kept here. ``max_usd_per_*`` cap what may be bought
    beside each campaign's own budget (days and months are UTC); None is no cap. A bill above ``bill_factor`` times its
    reservation trips the breaker. ``horizon_seconds`` is how long fal's readable list must not hold a request before
    it counts as never accepted: POST time-out + longest wait to start + longest run + the list's own delay.
    """

    root: Path
    output: Path
    provider: Provider = "studio"
    fal_key_is_set: bool = field(default=False, repr=False)
    ledger_url: str = field(default="", repr=False)  # both may hold a password
    studio_url: str = field(default="", repr=False)
    tts_engine: str = "auto"
    listener: str = "off"
    workers: int = 2
    requests_in_flight: int = 2
    poll_seconds: float = 0.5
    max_usd_per_run: Decimal | None = None
    max_usd_per_day: Decimal | None = None
    max_usd_per_month: Decimal | None = None
    bill_factor: Decimal = Decimal("1.5")
    horizon_seconds: float = 5 * 3600.0

    # inputs, committed
    @property
    def campaigns(self) -> Path:
        return self.root / "data" / "campaigns"

    @property
    def avatars(self) -> Path:
        return self.root / "data" / "avatars"

    @property
    def price_book(self) -> Path:
        return self.root / "data" / "price_book.csv"

    @property
    def models(self) -> Path:
        """The home's own model table, beside the price book; without one the shipped table counts."""
        return self.price_book.with_name("models.csv")

    @property
    def speech_models(self) -> Path:
        """The home's own table of bought voices; without one the shipped table counts."""
        return self.price_book.with_name("speech_models.csv")

    @property
    def voices(self) -> Path:
        """The home's own voices, added to the shipped ones; often not there."""
        return self.price_book.with_name("voices.csv")

    # everything made
    @property
    def ledger(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.ledger_url or f"sqlite:///{self.output / 'ledger.sqlite'}"

    @property
    def media(self) -> Path:
        return self.output / "media"

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file analysts open (a symlink to a versioned copy)."""
        return self.output / "warehouse.duckdb"

    @property
    def dagster_home(self) -> Path:
        return self.output / "dagster_home"

    @property
    def studio_folder(self) -> Path:
        return self.output / "studio"

    def stage_folder(self, stage: str) -> Path:
        """Folder of one stage: its tables (``<campaign>.parquet``) and, where people look, its files."""
        return self.output / stage

    def inside_output(self, path: Path) -> str:
        """``path`` as other machines may read it: relative to the output folder, with forward slashes."""
        return path.resolve().relative_to(self.output.resolve()).as_posix()

    def assert_may_spend(self, budget_usd: object) -> None:
        """Raise `SpendRefused` unless paid video was asked for on purpose (DESIGN decision 1)."""
        if self.provider != "fal":
            return
        if not self.fal_key_is_set:
            raise SpendRefused(
                "AURORA_PROVIDER is 'fal' but FAL_KEY is not set; set it, or unset AURORA_PROVIDER "
                "to make free drafts. Nothing was spent."
            )
        if self.studio_url:
            raise SpendRefused(
                "AURORA_STUDIO_URL names a studio and AURORA_PROVIDER is 'fal', which buys real video; unset one of "
                "the two. Nothing was spent."
            )
        if budget_usd is None:
            raise SpendRefused(
                "The campaign has no budget_usd; add one to campaign.yaml before buying from fal. Nothing was spent."
            )


def from_environment(environ: Mapping[str, str] | None = None, *, cwd: Path | None = None) -> Settings:
    """Read settings from ``AURORA_*`` and ``FAL_KEY``.

    Raises `BadSetting` naming the variable, what it may be, and never a secret's value.
    """
    env = os.environ if environ is None else environ
    root = _root(env, cwd or Path.cwd())
    output = Path(env["AURORA_OUTPUT"]).expanduser() if env.get("AURORA_OUTPUT") else root / "data" / "output"
    if "?" in f"{root}{output}":
        raise BadSetting(
            "The data folder's path holds a '?', which databases take for the end of a file's name; move it with "
            "AURORA_HOME or AURORA_OUTPUT. Nothing was spent."
        )
    return Settings(
        root=root,
        output=output.absolute(),
        provider=_provider(env),
        fal_key_is_set=bool(env.get("FAL_KEY", "").strip()),
        ledger_url=env.get("AURORA_LEDGER_URL", ""),
        studio_url=env.get("AURORA_STUDIO_URL", "").rstrip("/"),
        tts_engine=env.get("AURORA_TTS_ENGINE", "auto"),
        listener=env.get("AURORA_LISTENER", "").strip() or "auto",
        workers=_count(env, "AURORA_WORKERS", os.cpu_count() or 2),
        requests_in_flight=_count(env, "AURORA_REQUESTS_IN_FLIGHT", 2),
        poll_seconds=_seconds(env, "AURORA_POLL_SECONDS", 3.0 if _provider(env) == "fal" else 0.5),
        max_usd_per_run=_usd(env, "AURORA_MAX_USD_PER_RUN"),
        max_usd_per_day=_usd(env, "AURORA_MAX_USD_PER_DAY"),
        max_usd_per_month=_usd(env, "AURORA_MAX_USD_PER_MONTH"),
        bill_factor=_factor(env, "AURORA_BILL_FACTOR", Settings.bill_factor),
        horizon_seconds=_horizon_seconds(env),
    )


def _root(env: Mapping[str, str], cwd: Path) -> Path:
    if env.get("AURORA_HOME"):
        return Path(env["AURORA_HOME"]).expanduser().absolute()
    for folder in (cwd, *cwd.parents):
        if (folder / "data" / "campaigns").is_dir():
            return folder.absolute()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "data" / "campaigns").is_dir() else cwd.absolute()


def _provider(env: Mapping[str, str]) -> Provider:
    asked = env.get("AURORA_PROVIDER", "").strip() or "studio"
    for provider in PROVIDERS:
        if asked == provider:
            return provider
    raise BadSetting(f"AURORA_PROVIDER is '{asked}'; use 'studio' (free, local) or 'fal' (paid). Nothing was spent.")


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise BadSetting(f"{name} is '{text}'; use a whole number from 1. Nothing was spent.")
    return int(text)


def _seconds(env: Mapping[str, str], name: str, default: float, *, most: float = 3600.0) -> float:
    text = env.get(name, "").strip()
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < most:
        raise BadSetting(f"{name} is '{text}'; use seconds, such as {default:g}. Nothing was spent.")
    return seconds


def _horizon_seconds(env: Mapping[str, str]) -> float:
    """A horizon shorter than a request can take would give up, and buy again, what fal is still making."""
    name = "AURORA_HORIZON_SECONDS"
    seconds = _seconds(env, name, Settings.horizon_seconds, most=7 * 24 * 3600.0)
    if _provider(env) == "fal" and seconds < LEAST_HORIZON_SECONDS:
        raise BadSetting(
            f"{name} is '{env[name].strip()}'; with fal use at least {LEAST_HORIZON_SECONDS:g} seconds, or what is "
            "still being made there would be bought again. Nothing was spent."
        )
    return seconds


def _usd(env: Mapping[str, str], name: str) -> Decimal | None:
    text = env.get(name, "").strip()
    if not text:
        return None
    usd = _decimal(text)
    if usd is None or usd < 0:
        raise BadSetting(f"{name} is '{text}'; use dollars, such as 25 or 25.50. Nothing was spent.")
    return usd


def _factor(env: Mapping[str, str], name: str, default: Decimal) -> Decimal:
    text = env.get(name, "").strip()
    factor = _decimal(text) if text else default
    if factor is None or factor < 1:
        raise BadSetting(f"{name} is '{text}'; use a number from 1, such as {default}. Nothing was spent.")
    return factor


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
