-- Add one campaign's rows to quality.
-- One row per clip that was measured, on its video and its master. Lengths are seconds.
-- Each $name is a list, one value a row.
INSERT INTO quality BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($verdict::VARCHAR[]) AS verdict,
    unnest($reasons::VARCHAR[]) AS reasons,
    unnest($speech_seconds::DOUBLE[]) AS speech_seconds,
    unnest($video_seconds::DOUBLE[]) AS video_seconds,
    unnest($audio_seconds::DOUBLE[]) AS audio_seconds,
    unnest($black_seconds::DOUBLE[]) AS black_seconds,
    unnest($frozen_seconds::DOUBLE[]) AS frozen_seconds,
    unnest($silent_seconds::DOUBLE[]) AS silent_seconds,
    unnest($width_pixels::INTEGER[]) AS width_pixels,
    unnest($height_pixels::INTEGER[]) AS height_pixels,
    unnest($fps::DOUBLE[]) AS fps,
    unnest($video_codec::VARCHAR[]) AS video_codec,
    unnest($loudness_lufs::DOUBLE[]) AS loudness_lufs,
    unnest($true_peak_dbtp::DOUBLE[]) AS true_peak_dbtp,
    unnest($mouth_motion::DOUBLE[]) AS mouth_motion,
    unnest($video_sha256::VARCHAR[]) AS video_sha256,
    unnest($identity::DOUBLE[]) AS identity,
    unnest($lag_seconds::DOUBLE[]) AS lag_seconds
