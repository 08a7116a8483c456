-- Forget one campaign's rows of videos, so that it is replaced exactly.
-- One row per clip whose video was bought, drafted or reused. Money is US dollars.
DELETE FROM videos WHERE campaign = $campaign
