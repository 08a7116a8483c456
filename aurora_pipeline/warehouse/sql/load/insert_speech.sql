-- Add one campaign's rows to speech.
-- One row per clip: a mono WAV in the media store, its length counted from the samples.
-- Each $name is a list, one value a row.
INSERT INTO speech BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($sha256::VARCHAR[]) AS sha256,
    unnest($seconds::DOUBLE[]) AS seconds,
    unnest($sample_rate_hz::INTEGER[]) AS sample_rate_hz,
    unnest($engine::VARCHAR[]) AS engine,
    unnest($engine_version::VARCHAR[]) AS engine_version,
    unnest($voice::VARCHAR[]) AS voice,
    unnest($language::VARCHAR[]) AS language,
    unnest($text::VARCHAR[]) AS text,
    unnest($word_times::VARCHAR[]) AS word_times,
    unnest($words::INTEGER[]) AS words
