-- Add reconciliations: the latest comparison of each charge, and of each request that no charge knows.
-- One row per charge that was compared, and per request at the provider that no charge knows. US dollars, seconds, UTC.
-- Each $name is a list, one value a row.
INSERT INTO reconciliations BY NAME
SELECT
    unnest($subject::VARCHAR[]) AS subject,
    unnest($provider::VARCHAR[]) AS provider,
    unnest($is_draft::BOOLEAN[]) AS is_draft,
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($request_id::VARCHAR[]) AS request_id,
    unnest($state::VARCHAR[]) AS state,
    unnest($expected_usd::DECIMAL(18, 6)[]) AS expected_usd,
    unnest($reported_usd::DECIMAL(18, 6)[]) AS reported_usd,
    unnest($event_usd::DECIMAL(18, 6)[]) AS event_usd,
    unnest($file_seconds::DOUBLE[]) AS file_seconds,
    unnest($file_usd::DECIMAL(18, 6)[]) AS file_usd,
    unnest($verdict::VARCHAR[]) AS verdict,
    unnest($needs_a_person::BOOLEAN[]) AS needs_a_person,
    unnest($sentence::VARCHAR[]) AS sentence,
    unnest($checked_at::TIMESTAMP[]) AS checked_at
