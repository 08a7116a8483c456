-- Forget one campaign's rows of artifacts, so that it is replaced exactly.
-- One row per campaign, content hash and kind; the same bytes used by several clips are one row.
DELETE FROM artifacts WHERE campaign = $campaign
