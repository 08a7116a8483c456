-- Is each clip good, and what was measured of it?
-- One row per clip that was measured, on its video and its master. Lengths are seconds.
CREATE TABLE quality (
    campaign VARCHAR NOT NULL,  -- campaign this clip belongs to
    clip_id VARCHAR NOT NULL,  -- clip that was measured
    verdict VARCHAR NOT NULL,  -- pass, warn or fail
    reasons VARCHAR NOT NULL,  -- why, in sentences; empty for a pass
    speech_seconds DOUBLE NOT NULL,  -- length of the speech, seconds
    video_seconds DOUBLE NOT NULL,  -- length of the picture, seconds
    audio_seconds DOUBLE NOT NULL,  -- length of the sound, seconds
    black_seconds DOUBLE NOT NULL,  -- black picture in all, seconds
    frozen_seconds DOUBLE NOT NULL,  -- frozen picture in all, seconds
    silent_seconds DOUBLE NOT NULL,  -- silence in all beyond what the speech itself has, seconds
    width_pixels INTEGER NOT NULL,  -- width of the picture, pixels
    height_pixels INTEGER NOT NULL,  -- height of the picture, pixels
    fps DOUBLE NOT NULL,  -- frames a second
    video_codec VARCHAR NOT NULL,  -- codec of the picture
    loudness_lufs DOUBLE,  -- integrated loudness, LUFS; NULL when it could not be measured
    true_peak_dbtp DOUBLE,  -- true peak, dBTP; NULL when it could not be measured
    mouth_motion DOUBLE,  -- how much the mouth moves, as the quality check scores it; NULL when it could not be measured
    video_sha256 VARCHAR NOT NULL,  -- hash of the video that was measured
    identity DOUBLE,  -- how alike the clip's sound and the sent speech are, 0 to 1; NULL when it was not measured
    lag_seconds DOUBLE,  -- how late the speech is heard, seconds; NULL when it was not measured
    PRIMARY KEY (campaign, clip_id)
);
