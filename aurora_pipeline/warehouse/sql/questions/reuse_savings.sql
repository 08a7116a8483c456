-- How much did reusing videos that were already bought save?
-- One row per campaign, bought and draft apart, most saved first. Seconds and US dollars; a draft's saving was never money.
WITH used AS (
    SELECT
        videos.campaign,
        videos.is_draft,
        videos.billed_seconds,
        videos.list_usd,
        -- A renamed clip shows the video bought under its old name: nothing would have been bought twice.
        videos.was_reused AND owners.clip_id IS NOT NULL AS is_saved
    FROM videos
    LEFT JOIN charges ON videos.charge_id = charges.charge_id
    LEFT JOIN clips AS owners ON charges.campaign = owners.campaign AND charges.clip_id = owners.clip_id
)

SELECT
    campaign,
    is_draft,
    count(*) AS clips,
    count(*) FILTER (is_saved) AS reused_clips,
    coalesce(sum(billed_seconds) FILTER (is_saved), 0) AS reused_billed_seconds,
    coalesce(sum(list_usd) FILTER (is_saved), 0)::DECIMAL(18, 6) AS saved_usd
FROM used
GROUP BY campaign, is_draft
ORDER BY saved_usd DESC, campaign, is_draft
