-- How was each clip spoken?
-- One row per clip: a mono WAV in the media store, its length counted from the samples.
CREATE TABLE speech (
    campaign VARCHAR NOT NULL,  -- campaign this clip belongs to
    clip_id VARCHAR NOT NULL,  -- clip that is spoken
    sha256 VARCHAR NOT NULL,  -- hash of the WAV
    seconds DOUBLE NOT NULL,  -- length, seconds
    sample_rate_hz INTEGER NOT NULL,  -- samples a second
    engine VARCHAR NOT NULL,  -- program or endpoint that spoke
    engine_version VARCHAR NOT NULL,  -- its version
    voice VARCHAR NOT NULL,  -- voice that spoke
    language VARCHAR NOT NULL,  -- language it spoke
    text VARCHAR NOT NULL,  -- what was said
    word_times VARCHAR NOT NULL,  -- where word times come from: engine (exact) or estimated
    words INTEGER NOT NULL,  -- number of words with a time
    PRIMARY KEY (campaign, clip_id)
);
