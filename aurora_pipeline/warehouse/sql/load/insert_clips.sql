-- Add one campaign's rows to clips.
-- One row per clip of a campaign, as written in scripts.csv with the campaign's defaults filled in.
-- Each $name is a list, one value a row.
INSERT INTO clips BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($line::INTEGER[]) AS line,
    unnest($text::VARCHAR[]) AS text,
    unnest($text_sha256::VARCHAR[]) AS text_sha256,
    unnest($portrait::VARCHAR[]) AS portrait,
    unnest($portrait_sha256::VARCHAR[]) AS portrait_sha256,
    unnest($speech_sha256::VARCHAR[]) AS speech_sha256,
    unnest($voice::VARCHAR[]) AS voice,
    unnest($language::VARCHAR[]) AS language,
    unnest($resolution::VARCHAR[]) AS resolution,
    unnest($prompt::VARCHAR[]) AS prompt,
    unnest($guidance_scale::DECIMAL(18, 6)[]) AS guidance_scale,
    unnest($audio_guidance_scale::DECIMAL(18, 6)[]) AS audio_guidance_scale,
    unnest($status::VARCHAR[]) AS status,
    unnest($failed_stage::VARCHAR[]) AS failed_stage,
    unnest($why::VARCHAR[]) AS why
