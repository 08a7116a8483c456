-- What did each campaign cost week by week?
-- One row per week (its Monday, UTC) and campaign, newest week first. US dollars; paid_speech_usd is of bought voices and transcripts; drafts are free, see draft_equivalent_usd.
SELECT
    date_trunc('week', day)::DATE AS week,
    campaign,
    count(*) AS charges,
    sum(paid_usd)::DECIMAL(18, 6) AS paid_usd,
    coalesce(sum(paid_usd) FILTER (kind = 'video'), 0)::DECIMAL(18, 6) AS paid_video_usd,
    coalesce(sum(paid_usd) FILTER (kind <> 'video'), 0)::DECIMAL(18, 6) AS paid_speech_usd,
    coalesce(sum(billed_usd) FILTER (is_draft), 0)::DECIMAL(18, 6) AS draft_equivalent_usd
FROM charges
GROUP BY ALL
ORDER BY week DESC, paid_usd DESC, campaign
