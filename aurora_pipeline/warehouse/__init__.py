"""All stages + the ledger's charges -> DuckDB that analysts read, and one HTML report per campaign.

Read it in this order: `records` (what goes in and out), `rows` (facts -> table rows), `publish` (one private file that
is written, versioned copies that are read), `load` (one campaign, or all of them), `history` and `known` (what a
rebuild takes over), `questions` (what analysts ask), `report` (what everybody looks at). Tables, loads and questions
are the `.sql` files under ``sql/``.
"""

from .records import CampaignFacts, Publication, Question

__all__ = ["CampaignFacts", "Publication", "Question"]
