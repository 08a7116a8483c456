-- Forget one campaign's rows of quality, so that it is replaced exactly.
-- One row per clip that was measured, on its video and its master. Lengths are seconds.
DELETE FROM quality WHERE campaign = $campaign
