-- Add one campaign's rows to artifacts.
-- One row per campaign, content hash and kind; the same bytes used by several clips are one row.
-- Each $name is a list, one value a row.
INSERT INTO artifacts BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($sha256::VARCHAR[]) AS sha256,
    unnest($kind::VARCHAR[]) AS kind,
    unnest($bytes::BIGINT[]) AS bytes,
    unnest($seconds::DOUBLE[]) AS seconds,
    unnest($file::VARCHAR[]) AS file,
    unnest($is_draft::BOOLEAN[]) AS is_draft
