"""The nouns of reconciliation: a `Reconciliation` is one subject's amounts and what they mean together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

VERDICTS = {
    "agrees": "what was expected, what the provider billed and the file are the same",
    "billed more": "the provider billed more than the price book and the measured seconds say",
    "billed less": "the provider billed less than that",
    "not billed yet": "no billing event, and younger than 48 hours: looked at again until it has one",
    "never billed": "no billing event after 48 hours",
    "billed without a result": "billed, and refused, withdrawn, or not known to be accepted",
    "no charge": "the provider lists a request of this account that no charge knows",
    "file missing": "billed or believed paid, and the video is not in the media store",
    "file differs": "the stored video is not what was measured when it was paid, or its bytes are damaged",
    "not readable": "the key may not read billing events, so the provider's own record is not compared",
}
QUIET = ("agrees", "not billed yet", "not readable")  # nobody needs to do anything
UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class Reconciliation:
    """One charge (or one request that no charge knows) compared. US dollars; None where an amount is not known.

    ``expected_usd`` is the price book's amount for the seconds measured at settlement, ``reported_usd`` the provider's
    units at its unit price, ``event_usd`` its billing events, ``file_usd`` the price of ``file_seconds``, the length
    of the stored video as measured now. ``verdict`` is one of `VERDICTS`. ``state`` is the charge's; of a request
    without a charge it is `UNRECORDED` when it was sent as this pipeline sends, else None: some other tool's.
    """

    subject: str
    provider: str
    campaign: str | None
    clip_id: str | None
    request_id: str | None
    state: str | None
    expected_usd: Decimal | None
    reported_usd: Decimal | None
    event_usd: Decimal | None
    file_seconds: float | None
    file_usd: Decimal | None
    verdict: str
    sentence: str
    checked_at: datetime

    @property
    def needs_a_person(self) -> bool:
        """True when somebody should look. Requests of other tools on the same account are shown, nothing more."""
        if self.verdict == "no charge":
            return self.state == UNRECORDED
        return self.verdict not in QUIET


@dataclass(frozen=True)
class Totals:
    """Sums over the charges of one reconciliation, US dollars; an amount that is not known adds nothing."""

    expected_usd: Decimal
    reported_usd: Decimal
    event_usd: Decimal
    file_usd: Decimal


@dataclass(frozen=True)
class Reconciled:
    """One reconciliation. ``rows`` are sorted: what needs a person first, what agrees last.

    ``is_bill_readable`` is False when the key may not read billing events. ``corrected`` counts the charges whose
    amount in the ledger was changed to the provider's record.
    """

    provider: str
    rows: tuple[Reconciliation, ...] = ()
    is_bill_readable: bool = True
    corrected: int = 0

    @property
    def differences(self) -> tuple[Reconciliation, ...]:
        """Every row that does not agree."""
        return tuple(row for row in self.rows if row.verdict != "agrees")

    @property
    def for_a_person(self) -> tuple[Reconciliation, ...]:
        """Rows that somebody should look at."""
        return tuple(row for row in self.rows if row.needs_a_person)

    @property
    def totals(self) -> Totals:
        """Three ways; requests without a charge are left out."""
        return totals_of([row for row in self.rows if row.verdict != "no charge"])


def totals_of(rows: Sequence[Reconciliation]) -> Totals:
    """The sums of rows."""

    def total(name: str) -> Decimal:
        return sum((getattr(row, name) or Decimal(0) for row in rows), Decimal(0))

    return Totals(*(total(name) for name in Totals.__dataclass_fields__))


def in_order(rows: Sequence[Reconciliation]) -> tuple[Reconciliation, ...]:
    """What needs a person first, then other differences, then what agrees; dearest first."""

    def dearest(row: Reconciliation) -> Decimal:
        return row.event_usd or row.expected_usd or Decimal(0)

    return tuple(
        sorted(rows, key=lambda row: (not row.needs_a_person, row.verdict == "agrees", -dearest(row), row.subject))
    )
