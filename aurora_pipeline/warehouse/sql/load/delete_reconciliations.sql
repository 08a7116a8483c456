-- Forget one campaign's reconciliations and those of no campaign, so that they are replaced exactly.
-- One row per charge that was compared, and per request at the provider that no charge knows.
DELETE FROM reconciliations WHERE campaign = $campaign OR campaign IS NULL
