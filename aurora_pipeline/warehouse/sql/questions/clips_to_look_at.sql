-- Which clips should a person look at, why, and what did they cost?
-- One row per clip with verdict warn or fail, fails first, dearest first. US dollars; a draft's bill is what it would have been.
SELECT
    campaign,
    clip_id,
    clips.line AS script_line,
    quality.verdict,
    quality.reasons,
    videos.is_draft,
    videos.billed_usd,
    videos.paid_usd,
    master.file,
    clips.text
FROM quality
INNER JOIN clips USING (campaign, clip_id)
LEFT JOIN videos USING (campaign, clip_id)
LEFT JOIN (FROM deliverables WHERE rendition = 'master') AS master USING (campaign, clip_id)
WHERE quality.verdict IN ('warn', 'fail')
ORDER BY quality.verdict = 'warn', videos.billed_usd DESC, campaign, script_line
