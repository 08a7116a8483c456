-- How much did reusing videos that were already bought save?
-- One row per campaign, bought and draft apart, most saved first. Seconds and US dollars; a draft's saving was never money.
SELECT
    campaign,
    is_draft,
    count(*) AS clips,
    count(*) FILTER (was_reused) AS reused_clips,
    coalesce(sum(billed_seconds) FILTER (was_reused), 0) AS reused_billed_seconds,
    coalesce(sum(list_usd) FILTER (was_reused), 0)::DECIMAL(18, 6) AS saved_usd
FROM videos
GROUP BY campaign, is_draft
ORDER BY saved_usd DESC, campaign, is_draft
