-- Add one campaign's rows to videos.
-- One row per clip whose video was bought, drafted or reused. Money is US dollars.
-- Each $name is a list, one value a row.
INSERT INTO videos BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($provider::VARCHAR[]) AS provider,
    unnest($is_draft::BOOLEAN[]) AS is_draft,
    unnest($endpoint::VARCHAR[]) AS endpoint,
    unnest($fingerprint::VARCHAR[]) AS fingerprint,
    unnest($charge_id::VARCHAR[]) AS charge_id,
    unnest($request_id::VARCHAR[]) AS request_id,
    unnest($sha256::VARCHAR[]) AS sha256,
    unnest($speech_sha256::VARCHAR[]) AS speech_sha256,
    unnest($portrait_sha256::VARCHAR[]) AS portrait_sha256,
    unnest($resolution::VARCHAR[]) AS resolution,
    unnest($width_pixels::INTEGER[]) AS width_pixels,
    unnest($height_pixels::INTEGER[]) AS height_pixels,
    unnest($fps::DOUBLE[]) AS fps,
    unnest($seconds::DOUBLE[]) AS seconds,
    unnest($billed_seconds::INTEGER[]) AS billed_seconds,
    unnest($usd_per_second::DECIMAL(18, 6)[]) AS usd_per_second,
    unnest($list_usd::DECIMAL(18, 6)[]) AS list_usd,
    unnest($billed_usd::DECIMAL(18, 6)[]) AS billed_usd,
    unnest($paid_usd::DECIMAL(18, 6)[]) AS paid_usd,
    unnest($was_reused::BOOLEAN[]) AS was_reused,
    unnest($bought_for_campaign::VARCHAR[]) AS bought_for_campaign,
    unnest($bought_for_clip_id::VARCHAR[]) AS bought_for_clip_id
