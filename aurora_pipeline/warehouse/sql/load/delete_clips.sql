-- Forget one campaign's rows of clips, so that it is replaced exactly.
-- One row per clip of a campaign, as written in scripts.csv with the campaign's defaults filled in.
DELETE FROM clips WHERE campaign = $campaign
