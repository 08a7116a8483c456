-- How much is billed for the fraction of a second that rounding up adds?
-- One row per campaign, bought and draft apart, most wasteful first. Seconds and US dollars; a draft's were never paid.
WITH bills AS (
    SELECT
        charges.campaign,
        charges.is_draft,
        charges.billed_seconds,
        coalesce(videos.seconds, charges.audio_seconds)::DECIMAL(18, 6) AS measured_seconds,
        charges.usd_per_second
    FROM charges
    LEFT JOIN videos USING (campaign, clip_id, charge_id)
    WHERE charges.billed_seconds IS NOT NULL
)

SELECT
    campaign,
    is_draft,
    count(*) AS charges,
    sum(billed_seconds) AS billed_seconds,
    sum(measured_seconds)::DECIMAL(18, 6) AS measured_seconds,
    sum(billed_seconds - measured_seconds)::DECIMAL(18, 6) AS wasted_seconds,
    sum((billed_seconds - measured_seconds) * usd_per_second)::DECIMAL(18, 6) AS wasted_usd
FROM bills
GROUP BY campaign, is_draft
ORDER BY wasted_usd DESC, campaign, is_draft
