-- Forget one campaign's rows of campaigns, so that it is replaced exactly.
-- One row per campaign. Money is US dollars.
DELETE FROM campaigns WHERE campaign = $campaign
