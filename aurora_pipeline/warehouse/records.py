"""What goes into the warehouse (`CampaignFacts`) and what comes out (`Publication`, `Question`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..aurora_videos.reconcile import Reconciliation
from ..aurora_videos.records import Charge, StageRun, Video, Waiver
from ..deliverables.records import Deliverable, Quality
from ..script_table.records import Campaign
from ..stage_tables import Failure
from ..tts_audio.records import Speech


@dataclass(frozen=True)
class CampaignFacts:
    """Everything that is known of one campaign.

    ``charges`` are all charges of this campaign, and those of other campaigns that its videos and speech reuse.
    ``reconciliations`` are the latest of its charges, and of requests that belong to no campaign. ``waivers`` are those
    that hold, also of audio that was spoken anew since.
    """

    campaign: Campaign
    speeches: Sequence[Speech] = ()
    videos: Sequence[Video] = ()
    deliverables: Sequence[Deliverable] = ()
    quality: Sequence[Quality] = ()
    failures: Sequence[Failure] = ()
    charges: Sequence[Charge] = ()
    stage_runs: Sequence[StageRun] = ()
    reconciliations: Sequence[Reconciliation] = ()
    waivers: Sequence[Waiver] = ()

    @property
    def has_its_files(self) -> bool:
        """False when campaign.yaml or scripts.csv is gone or broken, and stage tables and ledger are all there is."""
        return bool(self.campaign.sha256)

    def charges_of(self, speech: Speech) -> list[Charge]:
        """The purchases of this speech's parts, in order, and of hearing it."""
        known = {charge.charge_id: charge for charge in self.charges}
        return [known[each] for each in (*speech.charge_ids, speech.transcript_charge_id) if each in known]

    def waiver_of(self, speech: Speech) -> Waiver | None:
        """The waiver of this very audio; None where nobody waived it, or it was made anew since."""
        mine = (speech.clip_id, speech.waived_as)
        return next((each for each in self.waivers if (each.clip_id, each.speech_sha256) == mine), None)


@dataclass(frozen=True)
class Publication:
    """One publication. ``file`` is the read-only version, ``link`` the name analysts open; ``rows`` counts by table."""

    file: Path
    link: Path
    published_at: datetime
    rows: dict[str, int]


@dataclass(frozen=True)
class Question:
    """A shipped question: ``asks`` in a sentence, ``row`` says what one row is and its units.

    ``parameters`` are the names it must be given; a question without any is also a view in the published file.
    """

    name: str
    asks: str
    row: str
    sql: str
    parameters: tuple[str, ...] = ()
