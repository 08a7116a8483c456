-- Forget one campaign's rows of runs, so that it is replaced exactly.
-- One row per execution of one stage for one campaign, from either door. Times are UTC, money is US dollars.
DELETE FROM runs WHERE campaign = $campaign
