"""The ledger beside the provider's bill and the stored file, charge by charge.  Only reads at the provider.

    expected   price book amount x measured whole seconds, fixed on the charge
    reported   billable units x unit price, and the billing event: what the provider says
    file       the stored video, measured again

Read it in this order: `records` (the nouns and the closed set of verdicts), `evidence` (what is looked at), `verdicts`
(what it means, in a sentence), `compare` (all charges of the last 48 hours, and what the ledger then believes), `kept`
(the latest row of each subject, in the ledger).
"""

from .records import VERDICTS, Reconciled, Reconciliation

__all__ = ["VERDICTS", "Reconciled", "Reconciliation"]
