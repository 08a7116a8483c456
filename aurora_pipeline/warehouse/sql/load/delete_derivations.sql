-- Forget one campaign's rows of derivations, so that it is replaced exactly.
-- One row per output, input and clip: an edge of the lineage graph.
DELETE FROM derivations WHERE campaign = $campaign
