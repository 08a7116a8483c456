"""Evidence -> verdict.  Pure; every verdict comes with what happened, what to do, and the dollars.

What the provider billed counts most, then what is missing from the store, then what is only not known yet. Amounts
closer than a hundredth of a cent are equal: units are told with four decimals.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ...price_book import billed_seconds
from ...said import dollars
from ..ledger_tables import CLOSED, IN_DOUBT
from ..records import VIDEO, Charge
from .evidence import Evidence, Listed
from .records import UNRECORDED, Reconciliation

BILLED_WITHIN = timedelta(hours=48)  # records have been hours late; a bill is not waited for longer
DUST_USD = Decimal("0.0001")
_HOURS = f"{BILLED_WITHIN // timedelta(hours=1)} hours"

Verdict = tuple[str, str]


def reconciliation(seen: Evidence) -> Reconciliation:
    """One charge's row."""
    charge = seen.charge
    verdict, sentence = judge(seen)
    seconds = seen.file.seconds
    return Reconciliation(
        subject=charge.charge_id,
        provider=charge.provider,
        campaign=charge.campaign,
        clip_id=charge.clip_id,
        request_id=seen.request_id,
        state=charge.state,
        expected_usd=expected_usd(charge),
        reported_usd=charge.reported_usd,
        event_usd=seen.event_usd,
        file_seconds=seconds,
        file_usd=None if seconds is None else billed_seconds(seconds) * charge.usd_per_unit,  # of a video only
        verdict=verdict,
        sentence=sentence,
        checked_at=seen.checked_at,
    )


def expected_usd(charge: Charge) -> Decimal | None:
    """Measured seconds, or counted units, at the charge's own price; $0 where nothing is due; None while it is open."""
    units = charge.billed_seconds if charge.kind == VIDEO else charge.wanted_units
    if charge.state == "settled" and units is not None and not charge.is_without_video:
        return units * charge.usd_per_unit
    return Decimal(0) if charge.state in CLOSED or charge.is_without_video else None


def last_moment(charge: Charge) -> datetime:
    """When the charge was settled, sent or planned: its age counts from there."""
    return charge.settled_at or charge.sent_at or charge.planned_at


def judge(seen: Evidence) -> Verdict:
    """The verdict and its sentence."""
    charge = seen.charge
    if charge.state in CLOSED or charge.state == "rejected" or charge.is_without_video:
        return _Said(seen).without_video()
    if charge.state == "settled":
        return _Said(seen).settled()
    return _Said(seen).in_doubt() if charge.state in IN_DOUBT else _Said(seen).under_way()


def unknown_request(
    listed: Listed, provider: str, event_usd: Decimal | None, *, is_ours: bool, at: datetime
) -> Reconciliation:
    """The row of a request that no charge knows; ``is_ours`` when it was sent as this pipeline sends."""
    sent = f" of {listed.sent_at:%Y-%m-%d %H:%M} UTC" if listed.sent_at else ""
    billed = "not billed so far" if event_usd is None else f"billed {dollars(event_usd)}"
    who = _begin(name_of(provider))
    told = f"{who} lists request {listed.request_id}{sent}, which no charge in this ledger knows; {billed}."
    if is_ours:
        told += " It was sent as this pipeline sends: look for its charge in another ledger, or ask about it."
    else:
        told += " Other tools may use the same account: if one sent it, there is nothing to do."
    state = UNRECORDED if is_ours else None
    return Reconciliation(
        listed.request_id, provider, None, None, listed.request_id, state, None, None, event_usd, None, None,
        "no charge", told, at,
    )  # fmt: skip


def name_of(provider: str) -> str:
    """As a sentence names it."""
    return "fal" if provider == "fal" else "the studio"


def _begin(name: str) -> str:
    """A name that begins a sentence; fal writes itself small."""
    return name if name == "fal" else f"{name[:1].upper()}{name[1:]}"


class _Said:
    """One charge's sentences; what they have in common is worked out once."""

    def __init__(self, seen: Evidence) -> None:
        self.seen, self.charge = seen, seen.charge
        self.clip = f"{self.charge.campaign}/{self.charge.clip_id}"
        self.who = name_of(self.charge.provider)
        self.begin = _begin(self.who)  # where a sentence begins with it
        self.is_young = seen.checked_at - last_moment(self.charge) < BILLED_WITHIN
        self.was_billed, self.noun = bool(seen.event_usd), seen.charge.kind
        self.request = f"request {seen.request_id}" if seen.request_id else "no request id"

    # ---- bought, and here
    def settled(self) -> Verdict:
        expected = expected_usd(self.charge) or Decimal(0)
        bill = self.seen.event_usd if self.seen.is_bill_readable else self.charge.reported_usd
        if bill is not None and bill - expected > DUST_USD:
            return self._more(bill, expected)
        if (verdict := self._file(expected)) is not None:
            return verdict
        if bill is not None and (verdict := self._below(bill, expected)) is not None:
            return verdict
        if not self.seen.is_bill_readable:
            told = "its units and the file agree" if bill is not None else "the file agrees"
            return "not readable", (
                f"{self.clip}: {dollars(expected)} expected, and {told}; this key may not read the billing record. "
                "Set FAL_ADMIN_KEY to compare that too."
            )
        if bill is None:
            return self._not_billed(expected)
        file = "billed and in the file" if self.charge.kind == VIDEO else f"and billed for its {self.noun}"
        return "agrees", f"{self.clip}: {dollars(bill)} expected, {file}." + self._odd_units(expected)

    def _odd_units(self, expected: Decimal) -> str:
        """The units in the answer may be wrong although the bill is right; the bill counts."""
        reported = self.charge.reported_usd
        if reported is None or abs(reported - expected) <= DUST_USD:
            return ""
        return f" Its answer reported units worth {dollars(reported)}; the billing record counts."

    def _more(self, bill: Decimal, expected: Decimal) -> Verdict:
        return "billed more", (
            f"{self._bill(bill)}, {dollars(bill - expected)} more than {self._seconds()} come to; ask about it, and "
            f"correct data/price_book.csv if the price changed. {self._counted()}"
        )

    def _below(self, bill: Decimal, expected: Decimal) -> Verdict | None:
        believed = max(expected, self.charge.billed_usd or Decimal(0))
        if self.seen.is_bill_readable and self.is_young and believed - bill > DUST_USD:
            return self._so_far(bill, believed)
        return self._less(bill, expected) if expected - bill > DUST_USD else None

    def _so_far(self, bill: Decimal, believed: Decimal) -> Verdict:
        return "not billed yet", (
            f"{self.begin} has billed {dollars(bill)} of {dollars(believed)} for {self.clip} so far ({self.request}); "
            f"records come late, and it is looked at again. {self._counted()}"
        )

    def _less(self, bill: Decimal, expected: Decimal) -> Verdict:
        return "billed less", (
            f"{self._bill(bill)}, {dollars(expected - bill)} less than {self._seconds()} come to; correct "
            f"data/price_book.csv if the price fell. {self._counted()}"
        )

    def _bill(self, bill: Decimal) -> str:
        how = "billed" if self.seen.is_bill_readable else "reported units worth"
        return f"{self.begin} {how} {dollars(bill)} for {self.clip} ({self.request})"

    def _counted(self) -> str:
        return f"The ledger counts {dollars(self.charge.billed_usd or Decimal(0))}."

    def _seconds(self) -> str:
        price = dollars(self.charge.usd_per_unit)
        if self.charge.kind == VIDEO:
            return f"{self.charge.billed_seconds} s at {price}"
        units, unit = (self.charge.wanted_units or Decimal(0)).normalize(), self.charge.unit.replace("_", " ")
        return f"{units:f} of {unit} at {price}"

    def _file(self, expected: Decimal) -> Verdict | None:
        paid, file = dollars(self.charge.billed_usd or Decimal(0)), self.seen.file
        again = f"run `aurora run {self.charge.campaign}` to fetch it again, at no cost."
        if file.is_missing:
            return (
                "file missing",
                f"{self.clip} cost {paid} and its {self.noun} is not in the media store; {again}",
            )
        if file.is_damaged:
            return "file differs", (
                f"{self.clip} cost {paid} and the bytes of its stored {self.noun} are damaged; delete "
                f"{(self.charge.video_sha256 or '')[:12]}… from the media store, then {again}"
            )
        if self.charge.kind != VIDEO:  # its bill does not count its length
            return None
        measured = billed_seconds(file.seconds or 0.0)
        if abs(measured * self.charge.usd_per_unit - expected) <= DUST_USD:
            return None
        return "file differs", (
            f"The stored video of {self.clip} is {file.seconds:.2f} s, billable as {measured} s "
            f"({dollars(measured * self.charge.usd_per_unit)}), and {self._seconds()} were expected; look at it and "
            f"ask about {self.request}."
        )

    def _not_billed(self, expected: Decimal) -> Verdict:
        if self.is_young:
            return "not billed yet", (
                f"{self.begin} has not billed {self.clip} yet ({self.request}, {dollars(expected)} expected); records "
                "come late, and it is looked at again."
            )
        return "never billed", (
            f"{self.begin} has not billed {self.clip} in {_HOURS} ({self.request}); the ledger goes on counting "
            f"{dollars(self.charge.billed_usd or Decimal(0))}. Nothing has to be done; ask about it to be sure."
        )

    # ---- refused, withdrawn, rejected
    def without_video(self) -> Verdict:
        if self.was_billed:
            return self._billed_for_nothing()
        if self.charge.state == "rejected":
            return self._rejected()
        if self.seen.is_bill_readable or self.seen.request_id is None:
            return "agrees", f"{self.clip} was {self.charge.state} and nothing was billed."
        return "not readable", (
            f"{self.clip} was {self.charge.state} and should not be billed; this key may not read the billing record "
            f"of {self.request}. Set FAL_ADMIN_KEY to compare it."
        )

    def _billed_for_nothing(self) -> Verdict:
        again = "these inputs are not sent again" if self.charge.is_without_video else "its clip may be bought again"
        return "billed without a result", (
            f"{self._bill(self.seen.event_usd or Decimal(0))} and made no {self.noun} of it; ask for it back. The "
            f"ledger counts it as spent, and {again}."
        )

    def _rejected(self) -> Verdict:
        told = f"{self.clip} was refused by the model ({self.request})"
        held = f"{dollars(self.charge.reserved_usd)} stays held"
        if not self.seen.is_bill_readable:
            return "not readable", (
                f"{told} and this key may not read whether it was billed; {held}. Look at fal's billing page, or set "
                f"FAL_ADMIN_KEY; if it was surely not billed: aurora release {self.charge.charge_id}"
            )
        if self.is_young:
            return "not billed yet", f"{told} and is not billed so far; {held} until {_HOURS} have passed."
        return "never billed", (
            f"{told} and was not billed in {_HOURS}; {held}. Free it with: aurora release {self.charge.charge_id}"
        )

    # ---- may have been accepted
    def in_doubt(self) -> Verdict:
        held = f"{dollars(self.charge.reserved_usd)} stays held"
        if self.seen.is_being_worked_on:
            return "not billed yet", f"{self.clip} is being sent by a run right now; {held}."
        if self.seen.request_id is not None:
            return self._found(held)
        if not self.seen.is_list_readable:
            return "not readable", (
                f"It is not known whether {self.clip} was accepted, and the list shows requests without their payload; "
                f"{held} and it is not sent again. Run this again later."
            )
        if self.is_young:
            return "not billed yet", (
                f"It is not known whether {self.clip} was accepted: it is not on the list so far; {held}. The next "
                f"`aurora run {self.charge.campaign}` looks again; it is not sent twice."
            )
        return "never billed", (
            f"{self.clip} is not on the list {_HOURS} after it was sent, so it was never accepted; {held}. Free it "
            f"with: aurora release {self.charge.charge_id}"
        )

    def _found(self, held: str) -> Verdict:
        next_run = f"the next `aurora run {self.charge.campaign}`"
        adopts = f"{next_run} adopts it and fetches its {self.noun}. It is not bought again"
        if self.was_billed:
            return "billed without a result", (
                f"{self.clip} was accepted after all, as {self.request}, and {self.who} billed "
                f"{dollars(self.seen.event_usd or Decimal(0))}; {adopts}; do not release it."
            )
        is_final = self.seen.is_bill_readable and not self.is_young
        billed = f"was not billed in {_HOURS}" if is_final else "is not billed so far"
        if not self.seen.is_bill_readable:
            billed = "may be billed (this key may not read that)"
        verdict = "never billed" if is_final else "not billed yet" if self.seen.is_bill_readable else "not readable"
        return verdict, f"{self.clip} was accepted after all, as {self.request}, and {billed}; {held}; {adopts}."

    # ---- accepted, not fetched
    def under_way(self) -> Verdict:
        held = f"{dollars(self.charge.reserved_usd)} is reserved"
        run = f"run `aurora run {self.charge.campaign}` to go on. It is not bought again."
        if self.was_billed:
            billed = dollars(self.seen.event_usd or Decimal(0))
            if self.seen.is_being_worked_on:
                return "agrees", f"{self.clip} is billed {billed} and is being fetched by a run; {held}."
            return "file missing", (
                f"{self.begin} billed {billed} for {self.clip} ({self.request}) and its {self.noun} is not here "
                f"yet; {run}"
            )
        if not self.seen.is_bill_readable:
            return "not readable", f"{self.clip} is {self.charge.state} ({self.request}); {held}; {run}"
        if self.is_young:
            return (
                "not billed yet",
                f"{self.clip} is {self.charge.state} ({self.request}) and not billed; {held}; {run}",
            )
        return "never billed", (
            f"{self.clip} was {self.charge.state} ({self.request}), not fetched and not billed in {_HOURS}; {held}; "
            f"{run}"
        )
