-- Which stage takes the time?
-- One row per stage, slowest in all first. Seconds of wall time; a made row is one that was not kept from an earlier run.
SELECT
    stage,
    count(*) AS runs,
    sum(seconds) AS total_seconds,
    median(seconds) AS median_seconds,
    max(seconds) AS longest_seconds,
    arg_max(campaign, seconds) AS longest_campaign,
    sum(made_rows) AS made_rows,
    sum(seconds) FILTER (made_rows > 0) / nullif(sum(made_rows), 0) AS seconds_per_made_row
FROM runs
GROUP BY stage
ORDER BY total_seconds DESC, stage
