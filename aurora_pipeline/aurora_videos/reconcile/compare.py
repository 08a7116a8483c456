"""All charges of the last hours beside the provider's records -> one row each, and what the ledger then believes.

The ledger follows the billing record both ways: up at once, so that a budget never believes less than the bill, and
down only `BILLED_WITHIN` after the settlement, since events come late and one by one. A held charge is never freed
here: only a person says that something was not billed. What is billed although the model refused it is spent
(`Ledger.settle_without_video`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ...errors import SpendRefused
from ...gear.fal_platform import Platform
from ...gear.media_store import MediaStore
from ...models import read_models
from ...settings import Settings
from ...speech_models import read_speech_models
from ..ledger import Ledger, open_ledger
from ..ledger_tables import CLOSED, HOLDS_MONEY, UNFINISHED
from ..records import SPEECH, Charge
from . import kept
from .evidence import Evidence, Listed, bills_of, listed_requests, stored_file
from .records import Reconciled, Reconciliation, in_order
from .verdicts import BILLED_WITHIN, last_moment, reconciliation, unknown_request

ALL = timedelta.max


@dataclass(frozen=True)
class Window:
    """Which charges: of one campaign or of all, of the last ``since``; `ALL` goes back to the first."""

    campaign: str | None = None
    since: timedelta = BILLED_WITHIN


def reconcile_bills(settings: Settings, window: Window | None = None) -> Reconciled:
    """Compare with fal, or with the local studio, whichever the settings name; the rows are kept in the ledger.

    What a dead run left behind is taken to its end first (see `sweep`), whether or not a row asks for it still. Raises
    `SpendRefused` without a key for fal and `Unreachable` when the provider's list cannot be read: then no bill was
    changed.
    """
    window, ledger = window or Window(), open_ledger(settings.ledger)
    if settings.provider == "fal" and not settings.fal_key_is_set:
        raise SpendRefused(
            "AURORA_PROVIDER is 'fal' but FAL_KEY is not set; set it so that fal's records can be read. Nothing was "
            "changed."
        )
    if not any(charge.provider == settings.provider for charge in ledger.charges()):
        return Reconciled(settings.provider)
    from ...gear.fal import connect
    from ..render import provider_url
    from ..sweep import sweep

    with provider_url(settings) as base_url:
        fal = connect(base_url)
        sweep(settings, ledger, fal, ledger.left_behind(settings.provider))
        return compare(settings, ledger, fal.platform, window)


def due_charges(ledger: Ledger, provider: str, window: Window, *, at: datetime) -> list[Charge]:
    """What is to be compared: the window's charges, those still open, and those whose bill had not come as a whole."""
    known = {row.subject: row for row in kept.kept(ledger)}
    return [
        charge
        for charge in ledger.charges(campaign=window.campaign)
        if charge.provider == provider
        and was_sent(charge)
        and (
            charge.state in HOLDS_MONEY  # whatever its age
            or _is_waiting(known.get(charge.charge_id), charge)
            or at - last_moment(charge) <= window.since
        )
    ]


def _is_waiting(known: Reconciliation | None, charge: Charge) -> bool:
    """True until its whole bill has come: what was believed beyond it is given back only then."""
    if known is None:
        return False
    believed = charge.billed_usd or Decimal(0)
    return known.verdict == "not billed yet" or (known.event_usd is not None and known.event_usd < believed)


def was_sent(charge: Charge) -> bool:
    """False for what cannot be billed because no byte of it was sent."""
    return charge.sent_at is not None


def compare(settings: Settings, ledger: Ledger, platform: Platform, window: Window) -> Reconciled:
    """As `reconcile_bills`, with a provider's records that are already at hand."""
    return _Comparison(settings, ledger, platform, window).rows()


class _Comparison:
    """One reconciliation: what is read once for all its charges."""

    def __init__(self, settings: Settings, ledger: Ledger, platform: Platform, window: Window) -> None:
        self.settings, self.ledger, self.window = settings, ledger, window
        self.now, self.corrected = datetime.now(UTC), 0
        self.all_charges = [charge for charge in ledger.charges() if charge.provider == settings.provider]
        self.due = due_charges(ledger, settings.provider, window, at=self.now)
        self.listed, self.spoken = self._listed(platform), self._spoken(platform)
        self.found = self._matched()
        self.strangers = self._strangers()
        wanted = [each for charge in self.due if (each := self._request_id(charge))]
        wanted += [each.request_id for each in self.strangers]
        bills = bills_of(platform, list(dict.fromkeys(wanted)))
        self.is_bill_readable, self.bills = bills is not None, bills or {}

    def rows(self) -> Reconciled:
        store = MediaStore(self.settings.media)
        rows = [reconciliation(self._evidence(store, charge)) for charge in self.due]
        rows += [self._stranger(listed) for listed in self.strangers]
        kept.keep(self.ledger, rows)
        return Reconciled(self.settings.provider, in_order(rows), self.is_bill_readable, self.corrected)

    # ---- whose request is it
    def _listed(self, platform: Platform) -> list[Listed]:
        models, ears = read_models(self.settings.models), read_speech_models(self.settings.speech_models)
        sent = {charge.endpoint for charge in self.all_charges if charge.kind != SPEECH}
        heard = {row.endpoint: row.input for row in ears.recognisers}
        fields = {each: heard.get(each) or models.audio_field(each) for each in sorted(sent)}
        return listed_requests(platform, fields, since=self._begin())

    def _spoken(self, platform: Platform) -> list[Listed]:
        """A voice is sent no upload that its requests could be matched by: they are known by their ids alone.

        `sweep` has looked the lost ones up before.
        """
        endpoints = sorted({charge.endpoint for charge in self.all_charges if charge.kind == SPEECH})
        return listed_requests(platform, dict.fromkeys(endpoints, ""), since=self._begin())

    def _begin(self) -> datetime:
        """The oldest moment that matters: of the window, and of the oldest charge that is due."""
        first = [charge.planned_at for charge in self.due]
        if self.window.since == ALL:
            first += [charge.planned_at for charge in self.all_charges]
        else:
            first.append(self.now - self.window.since)
        return min(first, default=self.now)

    def _matched(self) -> dict[str, list[Listed]]:
        """Charge -> the requests that were sent with its upload. More than one is one too many."""
        by_url = kept.audio_urls(self.ledger, [charge.charge_id for charge in self.all_charges])
        found: dict[str, list[Listed]] = {}
        for listed in self.listed:
            if listed.audio_url in by_url:
                found.setdefault(by_url[listed.audio_url], []).append(listed)
        return found

    def _request_id(self, charge: Charge) -> str | None:
        if charge.request_id is not None:
            return charge.request_id
        return next((each.request_id for each in self.found.get(charge.charge_id, ())), None)

    def _strangers(self) -> list[Listed]:
        """Requests of the window that no charge knows. They belong to no campaign."""
        if self.window.campaign is not None:
            return []
        known = {self._request_id(charge) for charge in self.all_charges}
        since = datetime.min.replace(tzinfo=UTC) if self.window.since == ALL else self.now - self.window.since
        return [
            each
            for each in (*self.listed, *self.spoken)
            if each.request_id not in known and (each.sent_at is None or each.sent_at >= since)
        ]

    # ---- what is known of it
    def _evidence(self, store: MediaStore, charge: Charge) -> Evidence:
        request_id = self._request_id(charge)
        event = self.bills.get(request_id) if request_id else None
        charge = self._believed(charge, event)
        is_open = charge.state in UNFINISHED
        return Evidence(
            charge=charge,
            request_id=request_id,
            event_usd=event,
            is_bill_readable=self.is_bill_readable,
            is_list_readable=charge.kind != SPEECH and all(each.audio_url is not None for each in self.listed),
            is_being_worked_on=is_open and not self.ledger.recovery(charge.charge_id).owner_is_gone,
            file=stored_file(store, charge),
            checked_at=self.now,
        )

    def _believed(self, charge: Charge, event_usd: Decimal | None) -> Charge:
        """The charge once the ledger has followed the billing record."""
        if event_usd is None:
            return charge
        factor, after = self.settings.bill_factor, None
        if event_usd > 0 and (charge.state == "rejected" or self._is_left_lying(charge)):
            after = self.ledger.settle_without_video(charge.charge_id, usd=event_usd, breaker_factor=factor)
        elif charge.state in ("settled", *CLOSED) and not self._is_too_early(charge, event_usd):
            after = self.ledger.correct_bill(charge.charge_id, usd=event_usd, breaker_factor=factor)
        self.corrected += after is not None
        return after or charge

    def _is_too_early(self, charge: Charge, event_usd: Decimal) -> bool:
        """The rest of a young bill may still come; until then a budget must not give its money away."""
        is_young = self.now - last_moment(charge) < BILLED_WITHIN
        return is_young and event_usd < (charge.billed_usd or Decimal(0))

    def _is_left_lying(self, charge: Charge) -> bool:
        """Accepted so long ago, fetched by nobody: when it is billed, its money is spent whatever becomes of it."""
        is_old = self.now - last_moment(charge) >= BILLED_WITHIN
        is_open = charge.state in ("accepted", "completed") and is_old
        return is_open and self.ledger.recovery(charge.charge_id).owner_is_gone

    def _stranger(self, listed: Listed) -> Reconciliation:
        is_ours = listed.is_sent_as_we_send or any(listed in requests for requests in self.found.values())
        event = self.bills.get(listed.request_id)
        return unknown_request(listed, self.settings.provider, event, is_ours=is_ours, at=self.now)
