-- Which finished files are there, and do they measure up?
-- One row per clip and rendition (master, 9x16, 1x1, 16x9, poster). Lengths are seconds.
CREATE TABLE deliverables (
    campaign VARCHAR NOT NULL,  -- campaign this clip belongs to
    clip_id VARCHAR NOT NULL,  -- clip the file shows
    rendition VARCHAR NOT NULL,  -- master, poster or a picture shape such as 9x16
    provider VARCHAR,  -- who made the video behind it: fal or studio; NULL when that video is no longer in videos
    is_draft BOOLEAN NOT NULL,  -- true when made from a studio draft: marked DRAFT, not for delivery
    sha256 VARCHAR NOT NULL,  -- hash of the file
    file VARCHAR NOT NULL,  -- where it is, relative to the output folder
    bytes BIGINT NOT NULL,  -- size in bytes
    width_pixels INTEGER NOT NULL,  -- width of the picture, pixels
    height_pixels INTEGER NOT NULL,  -- height of the picture, pixels
    fps DOUBLE,  -- frames a second; NULL for a poster
    seconds DOUBLE,  -- length, seconds; NULL for a poster
    video_codec VARCHAR,  -- codec of the picture; NULL for a poster
    audio_codec VARCHAR,  -- codec of the sound; NULL for a poster
    loudness_lufs DOUBLE,  -- integrated loudness measured on the file, LUFS; NULL for a poster
    true_peak_dbtp DOUBLE,  -- true peak measured on the file, dBTP; NULL for a poster
    video_sha256 VARCHAR NOT NULL,  -- hash of the video it was made from
    PRIMARY KEY (campaign, clip_id, rendition)
);
