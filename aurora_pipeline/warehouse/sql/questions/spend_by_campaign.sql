-- What has each campaign really cost, what is still in flight, and what is left of its budget?
-- One row per campaign, dearest first. US dollars; paid_speech_usd is of bought voices and transcripts, draft_equivalent_usd what its free drafts would have been billed.
WITH spent AS (
    SELECT
        campaign,
        sum(paid_usd) AS paid_usd,
        sum(paid_usd) FILTER (kind = 'video') AS paid_video_usd,
        sum(paid_usd) FILTER (kind <> 'video') AS paid_speech_usd,
        sum(held_usd) FILTER (NOT is_draft) AS held_usd,
        sum(billed_usd) FILTER (is_draft) AS draft_equivalent_usd,
        count(*) FILTER (NOT is_draft AND billed_usd IS NOT NULL) AS paid_charges,
        count(*) FILTER (held_usd > 0 AND NOT is_draft) AS charges_in_flight
    FROM charges
    GROUP BY campaign
)
SELECT
    campaign,
    title,
    coalesce(paid_usd, 0)::DECIMAL(18, 6) AS paid_usd,
    coalesce(paid_video_usd, 0)::DECIMAL(18, 6) AS paid_video_usd,
    coalesce(paid_speech_usd, 0)::DECIMAL(18, 6) AS paid_speech_usd,
    coalesce(draft_equivalent_usd, 0)::DECIMAL(18, 6) AS draft_equivalent_usd,
    coalesce(held_usd, 0)::DECIMAL(18, 6) AS held_usd,
    budget_usd,
    (budget_usd - coalesce(paid_usd, 0) - coalesce(held_usd, 0))::DECIMAL(18, 6) AS left_usd,
    coalesce(paid_charges, 0) AS paid_charges,
    coalesce(charges_in_flight, 0) AS charges_in_flight
FROM campaigns
FULL JOIN spent USING (campaign)
ORDER BY paid_usd DESC, draft_equivalent_usd DESC, campaign
