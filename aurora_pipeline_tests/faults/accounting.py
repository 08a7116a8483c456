"""What became of a campaign: the studio's bills beside the ledger's charges and the files that are really there.

The studio says what a request was for (the speech, or the text to be said, that it was sent) and what it billed; the
ledger is not asked about either. So a purchase that the ledger never heard of is seen too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.aurora_videos.ledger_tables import HOLDS_MONEY
from aurora_pipeline.aurora_videos.reconcile.kept import kept
from aurora_pipeline.aurora_videos.records import Charge
from aurora_pipeline.gear.media_store import MediaStore

from .homes import SPEECH, Home
from .studio import Listed, StudioProcess
from .workers import naive_file

ZERO = Decimal(0)


@dataclass(frozen=True)
class Account:
    """One workload's books. Amounts are US dollars of the studio's play money.

    A clip is one thing that is to be bought: a video, or one clip's speech. ``lost`` clips were billed and are neither
    delivered nor held; ``double_billed`` counts bills beyond the first of a clip; ``quarantined`` clips are held for a
    person or a later look, with ``quarantined_usd`` reserved for them.
    ``apart_usd`` is the ledger's settled money less the studio's bills for the same requests.
    """

    clips: int
    accepted: int
    billed_usd: Decimal
    charged_usd: Decimal
    delivered: int
    double_billed: int
    lost: int
    corrupt: int
    over_budget_usd: Decimal
    quarantined: int
    quarantined_usd: Decimal
    apart_usd: Decimal

    @property
    def is_clean(self) -> bool:
        """Every required 0 is 0."""
        return not (self.double_billed or self.lost or self.corrupt or self.over_budget_usd or self.apart_usd)

    def __add__(self, other: Account) -> Account:
        return Account(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def account(homes: Sequence[Home], studio: StudioProcess, *, since: datetime) -> Account:
    """The books of campaigns that share one ledger, once the studio has nothing left to do."""
    studio.wait_until_idle(since=since)
    clip_of = _clips(homes)
    requests = [request for request in studio.requests(since=since) if request.subject in clip_of]
    charges = _charges(homes)
    ours = _Books(homes, studio, requests, charges)
    return Account(
        clips=len(clip_of),
        accepted=len(requests),
        billed_usd=_billed(requests),
        charged_usd=sum((charge.billed_usd or ZERO for charge in charges), ZERO),
        delivered=len(ours.delivered),
        double_billed=_doubled(requests) + ours.bought_for_nothing,
        lost=len(ours.billed - ours.delivered - ours.held),
        corrupt=ours.corrupt,
        over_budget_usd=ours.over_budget_usd,
        quarantined=len(ours.held - ours.delivered),
        quarantined_usd=sum((c.reserved_usd for c in charges if c.state in HOLDS_MONEY), ZERO),
        apart_usd=ours.apart_usd,
    )


def account_naive(home: Home, studio: StudioProcess, *, since: datetime) -> Account:
    """The books of the plain loop: it keeps none, so only the studio's and the files on disk count."""
    studio.wait_until_idle(since=since)
    clip_of = _clips([home])
    requests = [request for request in studio.requests(since=since) if request.subject in clip_of]
    whole, broken = _naive_files(home, studio, requests, clip_of)
    billed = {request.subject for request in requests if request.billed_usd}
    billed_usd = _billed(requests)
    return Account(
        clips=len(clip_of),
        accepted=len(requests),
        billed_usd=billed_usd,
        charged_usd=ZERO,
        delivered=len(whole),
        double_billed=_doubled(requests),
        lost=len(billed - whole),
        corrupt=len(broken),
        over_budget_usd=max(ZERO, billed_usd - home.budget_usd),
        quarantined=0,
        quarantined_usd=ZERO,
        apart_usd=ZERO,
    )


class _Books:
    """Charges and requests of one ledger, clip by clip. A clip is named by its subject (`homes.subject_of`)."""

    def __init__(
        self,
        homes: Sequence[Home],
        studio: StudioProcess,
        requests: Sequence[Listed],
        charges: Sequence[Charge],
    ) -> None:
        self.homes, self.studio, self.charges = homes, studio, charges
        self.by_id = {request.request_id: request for request in requests}
        self.store = MediaStore(homes[0].settings().media)
        self.billed = {request.subject for request in requests if request.billed_usd}
        self._subject_of = {clip: subject for home in homes for subject, clip in home.wanted().items()}
        self._spoken = {f"{SPEECH}/{home.campaign}/{clip}" for home in homes for clip in home.speech_sha256s().values()}
        self.delivered: set[str] = set()
        self.corrupt = 0
        for charge in charges:
            if charge.state == "settled":
                self._look_at(charge)
        self.held = {self._subject(charge) for charge in charges if _is_held(charge)}

    def _subject(self, charge: Charge) -> str:
        return self._subject_of.get(_clip(charge), "")

    def _look_at(self, charge: Charge) -> None:
        path, request = self.store.path(charge.video_sha256 or "-"), self.by_id.get(charge.request_id or "")
        if path is None or request is None:
            return
        if charge.kind == SPEECH and _clip(charge) not in self._spoken:  # bought, and nothing was made of it
            return
        if path.read_bytes() == self.studio.file(request.file_url):
            self.delivered.add(request.subject)
        else:
            self.corrupt += 1

    @property
    def bought_for_nothing(self) -> int:
        """Billed requests for nothing that is wanted: a sound that was made again differently, and bought again."""
        return sum(bool(charge.billed_usd) and charge.request_id not in self.by_id for charge in self.charges)

    @property
    def apart_usd(self) -> Decimal:
        """Settled money less the studio's bills for the same requests; 0 to the cent."""
        settled = [charge for charge in self.charges if charge.state == "settled"]
        bills = (self.by_id[c.request_id].billed_usd or ZERO for c in settled if c.request_id in self.by_id)
        return sum((charge.billed_usd or ZERO for charge in settled), ZERO) - sum(bills, ZERO)

    @property
    def over_budget_usd(self) -> Decimal:
        """What was billed, or is settled and held, beyond the campaigns' budgets."""
        over = ZERO
        for home in self.homes:
            mine = [charge for charge in self.charges if charge.campaign == home.campaign]
            held = sum((c.reserved_usd for c in mine if c.state in HOLDS_MONEY), ZERO)
            settled = sum((c.billed_usd or ZERO for c in mine), ZERO)
            bills = (self.by_id[c.request_id].billed_usd or ZERO for c in mine if c.request_id in self.by_id)
            over += max(ZERO, settled + held - home.budget_usd, sum(bills, ZERO) - home.budget_usd)
        return over


def _clips(homes: Sequence[Home]) -> dict[str, str]:
    """``kind/campaign/clip`` by its subject; campaigns that say the same share a clip."""
    found: dict[str, str] = {}
    for home in reversed(homes):
        found |= home.wanted()
    return found


def _clip(charge: Charge) -> str:
    return f"{charge.kind}/{charge.campaign}/{charge.clip_id}"


def _charges(homes: Sequence[Home]) -> list[Charge]:
    ledger = Ledger(homes[0].settings().ledger)
    names = {home.campaign for home in homes}
    return [charge for charge in ledger.charges() if charge.campaign in names]


def states(home: Home) -> Counter[str]:
    """How many of the ledger's charges are in each state: what a run that changed nothing leaves as it was."""
    return Counter(charge.state for charge in _charges([home]))


def _is_held(charge: Charge) -> bool:
    """Waits for a person or a later look: its money is held, or it was billed and there is no video to show for it."""
    return charge.state in HOLDS_MONEY or charge.is_without_video


def named_differences(home: Home) -> int:
    """How many of this ledger's charges reconciliation found to be anything but in agreement with the bill."""
    # "no charge" are the requests of the other cells, whose ledgers this one does not know
    return sum(row.verdict not in ("agrees", "no charge") for row in kept(Ledger(home.settings().ledger)))


def _billed(requests: Sequence[Listed]) -> Decimal:
    return sum((request.billed_usd or ZERO for request in requests), ZERO)


def _doubled(requests: Sequence[Listed]) -> int:
    bills = Counter(request.subject for request in requests if request.billed_usd)
    return sum(count - 1 for count in bills.values())


def _naive_files(
    home: Home, studio: StudioProcess, requests: Sequence[Listed], clip_of: dict[str, str]
) -> tuple[set[str], set[str]]:
    """Speeches whose file on disk is one the studio made for them, and those whose file is something else."""
    made: dict[str, set[str]] = {}
    for request in requests:
        content = studio.file(request.file_url)
        if content is not None:
            made.setdefault(request.subject, set()).add(hashlib.sha256(content).hexdigest())
    whole: set[str] = set()
    broken: set[str] = set()
    for speech, clip in clip_of.items():
        file = naive_file(home, Path(clip).name)
        if file.exists():
            is_whole = hashlib.sha256(file.read_bytes()).hexdigest() in made.get(speech, set())
            (whole if is_whole else broken).add(speech)
    return whole, broken
