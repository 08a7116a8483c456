-- Add pieces of content, or what is newly known of them: older ones stay for the lineage of older files.
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
    unnest($written::VARCHAR[]) AS written,
    unnest($is_draft::BOOLEAN[]) AS is_draft
ON CONFLICT (campaign, sha256, kind) DO UPDATE SET
    bytes = coalesce(excluded.bytes, artifacts.bytes),
    seconds = coalesce(excluded.seconds, artifacts.seconds),
    file = coalesce(excluded.file, artifacts.file),
    written = coalesce(artifacts.written, excluded.written),
    is_draft = excluded.is_draft
