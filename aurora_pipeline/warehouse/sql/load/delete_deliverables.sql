-- Forget one campaign's rows of deliverables, so that it is replaced exactly.
-- One row per clip and rendition (master, 9x16, 1x1, 16x9, poster). Lengths are seconds.
DELETE FROM deliverables WHERE campaign = $campaign
