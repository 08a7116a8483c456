-- What is each clip to say, with which Aurora inputs, and what became of it?
-- One row per clip of a campaign, as written in scripts.csv with the campaign's defaults filled in.
CREATE TABLE clips (
    campaign VARCHAR NOT NULL,  -- campaign this clip belongs to
    clip_id VARCHAR NOT NULL,  -- name of the clip, unique in its campaign
    line INTEGER NOT NULL,  -- line of the row in scripts.csv, from 1
    text VARCHAR NOT NULL,  -- what is to be said
    text_sha256 VARCHAR NOT NULL,  -- hash of the text in UTF-8: the beginning of the clip's lineage
    portrait VARCHAR NOT NULL,  -- Aurora input: portrait as written in scripts.csv
    portrait_sha256 VARCHAR NOT NULL,  -- hash of the portrait's bytes as they lie on disk
    speech_sha256 VARCHAR,  -- Aurora input: hash of the spoken WAV; NULL until the text is spoken
    voice VARCHAR NOT NULL,  -- voice that speaks the text
    language VARCHAR NOT NULL,  -- language of the text
    resolution VARCHAR NOT NULL,  -- Aurora input: 480p or 720p; decides the price
    prompt VARCHAR,  -- Aurora input: wording that guides the picture; NULL when none is given
    guidance_scale DECIMAL(18, 6) NOT NULL,  -- Aurora input: how closely the prompt is followed, 0 to 5
    audio_guidance_scale DECIMAL(18, 6) NOT NULL,  -- Aurora input: how closely the speech is followed, 0 to 5
    status VARCHAR NOT NULL,  -- delivered, failed (a stage gave it up) or pending (a stage has not made it yet)
    failed_stage VARCHAR,  -- first stage that gave the clip up; NULL unless failed
    why VARCHAR,  -- sentence that says why it failed or what it waits for; NULL when delivered
    PRIMARY KEY (campaign, clip_id)
);
