-- Which voices and portraits make good clips?
-- One row per language, voice and portrait, worst first. Counts of clips; loudness in LUFS, mouth motion as scored.
SELECT
    language,
    voice,
    portrait,
    portrait_sha256,
    count(*) AS measured_clips,
    count(*) FILTER (verdict = 'pass') AS pass,
    count(*) FILTER (verdict = 'warn') AS warn,
    count(*) FILTER (verdict = 'fail') AS fail,
    avg(loudness_lufs) AS mean_loudness_lufs,
    avg(mouth_motion) AS mean_mouth_motion,
    avg(video_seconds - speech_seconds) AS mean_picture_beyond_speech_seconds
FROM quality
INNER JOIN clips USING (campaign, clip_id)
GROUP BY language, voice, portrait, portrait_sha256
ORDER BY fail / measured_clips DESC, warn / measured_clips DESC, language, voice, portrait
