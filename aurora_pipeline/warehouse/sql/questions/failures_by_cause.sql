-- Why do clips fail, and what was billed for clips that are not delivered?
-- One row per campaign, stage and cause, most clips first. US dollars; a bought video is kept and used when its clip is mended.
WITH failed AS (
    SELECT
        campaign,
        clip_id,
        failed_stage AS stage,
        why,
        regexp_replace(replace(why, clip_id, '…'), '[0-9]+([.,:][0-9]+)*', '#', 'g') AS cause
    FROM clips
    WHERE status = 'failed'
),

bills AS (
    SELECT campaign, clip_id, sum(billed_usd) AS billed_usd, sum(paid_usd) AS paid_usd
    FROM charges
    GROUP BY campaign, clip_id
)

SELECT
    campaign,
    stage,
    cause,
    count(*) AS clips,
    coalesce(sum(billed_usd), 0)::DECIMAL(18, 6) AS billed_usd,
    coalesce(sum(paid_usd), 0)::DECIMAL(18, 6) AS paid_usd,
    min(why) AS for_example,
    string_agg(clip_id, ', ' ORDER BY clip_id) AS clip_ids
FROM failed
LEFT JOIN bills USING (campaign, clip_id)
GROUP BY campaign, stage, cause
ORDER BY clips DESC, campaign, stage, cause
