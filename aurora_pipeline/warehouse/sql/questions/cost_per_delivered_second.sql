-- What does a finished second cost, failures and all, and what does a second cost that passed quality?
-- One row per campaign, bought and draft apart. US dollars and seconds; a draft's bill is what it would have been.
WITH finished AS (
    SELECT campaign, clip_id, bool_or(is_draft) AS is_draft, max(seconds) AS seconds
    FROM deliverables
    SEMI JOIN (FROM clips WHERE status = 'delivered') AS delivered USING (campaign, clip_id)
    WHERE rendition <> 'poster'
    GROUP BY campaign, clip_id
),

delivered AS (
    SELECT
        campaign,
        is_draft,
        count(*) AS delivered_clips,
        sum(seconds) AS delivered_seconds,
        sum(seconds) FILTER (verdict IN ('pass', 'warn')) AS accepted_seconds
    FROM finished
    LEFT JOIN quality USING (campaign, clip_id)
    GROUP BY campaign, is_draft
),

bills AS (
    SELECT campaign, is_draft, sum(billed_usd) AS billed_usd, sum(paid_usd) AS paid_usd
    FROM charges
    WHERE billed_usd IS NOT NULL
    GROUP BY campaign, is_draft
)

SELECT
    campaign,
    is_draft,
    coalesce(delivered_clips, 0) AS delivered_clips,
    coalesce(delivered_seconds, 0) AS delivered_seconds,
    coalesce(accepted_seconds, 0) AS accepted_seconds,
    coalesce(billed_usd, 0)::DECIMAL(18, 6) AS billed_usd,
    coalesce(paid_usd, 0)::DECIMAL(18, 6) AS paid_usd,
    (coalesce(billed_usd, 0) / nullif(delivered_seconds, 0))::DECIMAL(18, 6) AS billed_usd_per_delivered_second,
    (coalesce(billed_usd, 0) / nullif(accepted_seconds, 0))::DECIMAL(18, 6) AS billed_usd_per_accepted_second,
    (coalesce(paid_usd, 0) / nullif(delivered_seconds, 0))::DECIMAL(18, 6) AS paid_usd_per_delivered_second
FROM delivered
FULL JOIN bills USING (campaign, is_draft)
ORDER BY billed_usd_per_delivered_second DESC NULLS LAST, campaign, is_draft
