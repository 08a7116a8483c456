-- Add one campaign's rows to runs.
-- One row per execution of one stage for one campaign, from either door. Times are UTC, money is US dollars.
-- Each $name is a list, one value a row.
INSERT INTO runs BY NAME
SELECT
    unnest($run_id::VARCHAR[]) AS run_id,
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($stage::VARCHAR[]) AS stage,
    unnest($door::VARCHAR[]) AS door,
    unnest($provider::VARCHAR[]) AS provider,
    unnest($version::VARCHAR[]) AS version,
    unnest($started_at::TIMESTAMP[]) AS started_at,
    unnest($ended_at::TIMESTAMP[]) AS ended_at,
    unnest($seconds::DOUBLE[]) AS seconds,
    unnest($good_rows::INTEGER[]) AS good_rows,
    unnest($made_rows::INTEGER[]) AS made_rows,
    unnest($failures::INTEGER[]) AS failures,
    unnest($billed_usd::DECIMAL(18, 6)[]) AS billed_usd,
    unnest($paid_usd::DECIMAL(18, 6)[]) AS paid_usd,
    unnest($sentence::VARCHAR[]) AS sentence,
    unnest($day::DATE[]) AS day
