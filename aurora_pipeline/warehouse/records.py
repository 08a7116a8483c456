"""What goes into the warehouse (`CampaignFacts`) and what comes out (`Publication`, `Question`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..aurora_videos.reconcile import Reconciliation
from ..aurora_videos.records import Charge, StageRun, Video
from ..deliverables.records import Deliverable, Quality
from ..script_table.records import Campaign
from ..stage_tables import Failure
from ..tts_audio.records import Speech


@dataclass(frozen=True)
class CampaignFacts:
    """Everything that is known of one campaign.

    ``charges`` are all charges of this campaign, and those of other campaigns that its videos reuse.
    ``reconciliations`` are the latest of its charges, and of requests that belong to no campaign.
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

    @property
    def has_its_files(self) -> bool:
        """False when campaign.yaml or scripts.csv is gone or broken, and stage tables and ledger are all there is."""
        return bool(self.campaign.sha256)


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
