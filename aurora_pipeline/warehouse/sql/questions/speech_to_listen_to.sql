-- Which speech does not say what its script says, and who accepted it all the same?
-- One row per clip whose speech was heard to warn or fail; failures first, then by campaign and line. Seconds and the share of words not heard.
SELECT
    campaign,
    clip_id,
    clips.line AS script_line,
    speech.verdict,
    speech.reasons,
    speech.waived_by,
    speech.waived_reason,
    speech.words_that_differ,
    speech.word_error,
    speech.voice,
    speech.language,
    speech.seconds,
    clips.status,
    speech.recogniser,
    speech.text,
    speech.transcript
FROM speech
LEFT JOIN clips USING (campaign, clip_id)
WHERE speech.verdict != 'pass'
ORDER BY speech.verdict, campaign, script_line
