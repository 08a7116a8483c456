-- How was each clip spoken, fitted to billed seconds, and heard?
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
    word_times VARCHAR NOT NULL,  -- where word times come from: engine (exact), aligned (with what was heard) or estimated
    words INTEGER NOT NULL,  -- number of words with a time
    said VARCHAR NOT NULL,  -- what the engine was told: respelled, sounds between slashes, pauses marked; empty for a recording
    recording_sha256 VARCHAR NOT NULL,  -- hash of somebody's own recording; empty where an engine spoke
    spoken_seconds DOUBLE NOT NULL,  -- length as spoken, before it was fitted to billed seconds, seconds
    seconds_mode VARCHAR NOT NULL,  -- what may be taken away: off, trim (silence at the ends) or fit (pauses and tempo too)
    trimmed_seconds DOUBLE NOT NULL,  -- silence taken from its ends, seconds
    shaved_seconds DOUBLE NOT NULL,  -- silence taken from its pauses, seconds
    tempo DOUBLE NOT NULL,  -- times as fast as spoken, at the same pitch; 1 leaves it
    saved_seconds INTEGER NOT NULL,  -- billed seconds fewer than as spoken
    word_times_error_seconds DOUBLE,  -- how far off such word times are on average, as measured, seconds; NULL without words
    is_draft BOOLEAN NOT NULL,  -- true where the local studio stood in for a paid voice
    verdict VARCHAR NOT NULL,  -- pass, warn or fail, heard before anything is bought for it
    reasons VARCHAR,  -- what was heard to be wrong, in sentences; NULL when nothing was
    waived_by VARCHAR,  -- person who accepted this very audio although it failed; NULL when nobody did
    waived_reason VARCHAR,  -- why, in that person's words; NULL when nobody did
    recogniser VARCHAR NOT NULL,  -- who compared it with its text, or none: and why
    transcript VARCHAR NOT NULL,  -- what the recogniser heard
    word_error DOUBLE,  -- share of the text's words that were not heard, 0 to 1; NULL when nobody compared
    words_that_differ VARCHAR,  -- those words; NULL when there are none
    loudness_lufs DOUBLE,  -- integrated loudness, LUFS; NULL when too short to measure
    peak_dbfs DOUBLE,  -- loudest sample, dBFS
    leading_seconds DOUBLE,  -- silence before the first sound, seconds
    trailing_seconds DOUBLE,  -- silence after the last sound, seconds
    longest_pause_seconds DOUBLE,  -- longest silence between two sounds, seconds
    words_per_minute DOUBLE,  -- pace, words a minute
    language_heard VARCHAR NOT NULL,  -- language the recogniser heard; empty when it was not asked
    voice_sha256 VARCHAR NOT NULL,  -- what a voice of the home's own table was made of; empty for a shipped one
    charge_ids JSON NOT NULL,  -- purchases of its parts, in their order, as in charges; empty where nothing was bought
    transcript_charge_id VARCHAR,  -- purchase of hearing it, as in charges; NULL where that was free
    billed_usd DECIMAL(18, 6) NOT NULL,  -- bill of speaking and hearing it, US dollars; 0 where it was free, or another clip had bought it
    paid_usd DECIMAL(18, 6) NOT NULL,  -- the same, of what was really paid; 0 for drafts
    PRIMARY KEY (campaign, clip_id)
);
