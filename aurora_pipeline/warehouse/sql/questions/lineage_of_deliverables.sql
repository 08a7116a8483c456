-- Where does each finished file come from, and what did its clip cost?
-- One row per deliverable. US dollars of the whole clip, repeated on each of its files: do not add them up.
SELECT
    deliverables.file,
    campaign,
    clip_id,
    deliverables.rendition,
    clips.line AS script_line,
    clips.text,
    clips.portrait,
    clips.voice,
    clips.language,
    deliverables.is_draft,
    videos.provider,
    videos.request_id,
    videos.charge_id,
    videos.fingerprint,
    videos.was_reused,
    charges.campaign AS charged_to_campaign,
    charges.state AS charge_state,
    videos.billed_usd,
    videos.paid_usd,
    deliverables.sha256,
    deliverables.video_sha256,
    videos.speech_sha256,
    videos.portrait_sha256
FROM deliverables
LEFT JOIN clips USING (campaign, clip_id)
LEFT JOIN videos
    ON
        deliverables.campaign = videos.campaign
        AND deliverables.clip_id = videos.clip_id
        AND deliverables.video_sha256 = videos.sha256
LEFT JOIN charges ON videos.charge_id = charges.charge_id
ORDER BY deliverables.file
