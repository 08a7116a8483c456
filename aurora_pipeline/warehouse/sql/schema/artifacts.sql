-- Which pieces of content took part in a campaign, and where are they?
-- One row per campaign, content hash and kind; the same bytes used by several clips are one row. Rows are never removed.
CREATE TABLE artifacts (
    campaign VARCHAR NOT NULL,  -- campaign it took part in
    sha256 VARCHAR NOT NULL,  -- hash of the bytes (for a script, of its text in UTF-8)
    kind VARCHAR NOT NULL,  -- script, portrait, speech, video, master, poster or a rendition such as 9x16
    bytes BIGINT,  -- size in bytes; NULL when the bytes are not in the output folder
    seconds DOUBLE,  -- length, seconds; NULL when it has none
    file VARCHAR,  -- where it was put, relative to the output folder: a newer file of the clip takes the same name; NULL for inputs that lie elsewhere
    written VARCHAR,  -- what people wrote: the text of a script, the name a portrait first had in scripts.csv; NULL otherwise
    is_draft BOOLEAN NOT NULL,  -- true for what the local studio made in a paid one's place, and for what was made of its video
    PRIMARY KEY (campaign, sha256, kind)
);
