-- How many billed seconds did fitting speech under whole seconds save, and what are they worth?
-- One row per campaign and mode (off, trim or fit), bought and draft apart, most saved first. Seconds and US dollars at each clip's own price; a draft's saving was never money.
SELECT
    videos.campaign,
    speech.seconds_mode,
    videos.is_draft,
    count(*) AS clips,
    count(*) FILTER (speech.saved_seconds > 0) AS clips_that_gained,
    sum(speech.spoken_seconds)::DECIMAL(18, 3) AS spoken_seconds,
    sum(speech.seconds)::DECIMAL(18, 3) AS fitted_seconds,
    sum(speech.trimmed_seconds)::DECIMAL(18, 3) AS trimmed_seconds,
    sum(speech.shaved_seconds)::DECIMAL(18, 3) AS shaved_seconds,
    max(speech.tempo) AS largest_tempo,
    sum(speech.saved_seconds) AS saved_seconds,
    sum(speech.saved_seconds * videos.usd_per_second)::DECIMAL(18, 6) AS saved_usd
FROM videos
INNER JOIN speech ON videos.campaign = speech.campaign AND videos.clip_id = speech.clip_id
WHERE NOT videos.was_reused AND videos.speech_sha256 = speech.sha256
GROUP BY videos.campaign, speech.seconds_mode, videos.is_draft
ORDER BY saved_usd DESC, videos.campaign, speech.seconds_mode, videos.is_draft
