-- Which clips should a person look at, why, and what did they cost?
-- One row per clip that failed a stage (verdict failed) or whose quality is fail or warn; failures first, then dearest first. US dollars; a draft's bill is what it would have been.
SELECT
    campaign,
    clip_id,
    clips.line AS script_line,
    CASE WHEN clips.status = 'failed' THEN 'failed' ELSE quality.verdict END AS verdict,
    CASE WHEN clips.status = 'failed' THEN clips.why ELSE quality.reasons END AS reasons,
    videos.is_draft,
    videos.billed_usd,
    videos.paid_usd,
    master.file,
    clips.text
FROM clips
LEFT JOIN quality USING (campaign, clip_id)
LEFT JOIN videos USING (campaign, clip_id)
LEFT JOIN (FROM deliverables WHERE rendition = 'master') AS master USING (campaign, clip_id)
WHERE clips.status = 'failed' OR quality.verdict IN ('warn', 'fail')
ORDER BY clips.status = 'failed' DESC, quality.verdict = 'warn', videos.billed_usd DESC NULLS LAST, campaign, script_line
