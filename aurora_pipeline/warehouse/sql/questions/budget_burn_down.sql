-- How did each campaign's budget burn down, day by day?
-- One row per campaign and UTC day on which something was bought from fal, newest first. US dollars; held_usd is what that day's charges still hold now.
WITH days AS (
    SELECT campaign, day, count(*) AS charges, sum(paid_usd) AS paid_usd, sum(held_usd) AS held_usd
    FROM charges
    WHERE NOT is_draft
    GROUP BY campaign, day
),

so_far AS (
    SELECT
        *,
        sum(paid_usd) OVER so_far AS paid_so_far_usd,
        sum(held_usd) OVER so_far AS held_so_far_usd
    FROM days
    WINDOW so_far AS (PARTITION BY campaign ORDER BY day)
)

SELECT
    so_far.campaign,
    so_far.day,
    so_far.charges,
    so_far.paid_usd::DECIMAL(18, 6) AS paid_usd,
    so_far.held_usd::DECIMAL(18, 6) AS held_usd,
    so_far.paid_so_far_usd::DECIMAL(18, 6) AS paid_so_far_usd,
    campaigns.budget_usd,
    (campaigns.budget_usd - so_far.paid_so_far_usd - so_far.held_so_far_usd)::DECIMAL(18, 6) AS left_usd
FROM so_far
LEFT JOIN campaigns USING (campaign)
ORDER BY so_far.day DESC, so_far.campaign
