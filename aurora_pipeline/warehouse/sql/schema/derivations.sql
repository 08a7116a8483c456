-- What was made from what, by which stage and with which parameters?
-- One row per output, input and clip: an edge of the lineage graph. Rows are never removed, so older files keep theirs.
CREATE TABLE derivations (
    campaign VARCHAR NOT NULL,  -- campaign it was made for
    clip_id VARCHAR NOT NULL,  -- clip it was made for
    output_sha256 VARCHAR NOT NULL,  -- hash of what was made
    output_kind VARCHAR NOT NULL,  -- kind of what was made, as in artifacts
    input_sha256 VARCHAR NOT NULL,  -- hash of what it was made from
    input_kind VARCHAR NOT NULL,  -- kind of what it was made from, as in artifacts
    activity VARCHAR NOT NULL,  -- stage that made it: tts_audio, aurora_videos or deliverables
    parameters JSON NOT NULL,  -- how: voice and engine (and charge_ids where it was bought), or request_id, portrait and Aurora's inputs, or the rendition's shape
    PRIMARY KEY (campaign, clip_id, output_sha256, output_kind, input_sha256, input_kind)
);
