-- Add one campaign's rows to campaigns.
-- One row per campaign. Money is US dollars.
-- Each $name is a list, one value a row.
INSERT INTO campaigns BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($title::VARCHAR[]) AS title,
    unnest($budget_usd::DECIMAL(18, 6)[]) AS budget_usd,
    unnest($clips::INTEGER[]) AS clips,
    unnest($renditions::VARCHAR[]) AS renditions,
    unnest($short_side_pixels::INTEGER[]) AS short_side_pixels,
    unnest($fit::VARCHAR[]) AS fit,
    unnest($loudness_lufs::DECIMAL(18, 6)[]) AS loudness_lufs,
    unnest($true_peak_dbtp::DECIMAL(18, 6)[]) AS true_peak_dbtp,
    unnest($sha256::VARCHAR[]) AS sha256
