-- Add one campaign's rows to deliverables.
-- One row per clip and rendition (master, 9x16, 1x1, 16x9, poster). Lengths are seconds.
-- Each $name is a list, one value a row.
INSERT INTO deliverables BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($rendition::VARCHAR[]) AS rendition,
    unnest($provider::VARCHAR[]) AS provider,
    unnest($is_draft::BOOLEAN[]) AS is_draft,
    unnest($sha256::VARCHAR[]) AS sha256,
    unnest($file::VARCHAR[]) AS file,
    unnest($bytes::BIGINT[]) AS bytes,
    unnest($width_pixels::INTEGER[]) AS width_pixels,
    unnest($height_pixels::INTEGER[]) AS height_pixels,
    unnest($fps::DOUBLE[]) AS fps,
    unnest($seconds::DOUBLE[]) AS seconds,
    unnest($video_codec::VARCHAR[]) AS video_codec,
    unnest($audio_codec::VARCHAR[]) AS audio_codec,
    unnest($loudness_lufs::DOUBLE[]) AS loudness_lufs,
    unnest($true_peak_dbtp::DOUBLE[]) AS true_peak_dbtp,
    unnest($video_sha256::VARCHAR[]) AS video_sha256
