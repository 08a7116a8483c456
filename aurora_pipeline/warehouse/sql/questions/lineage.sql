-- Where does the file with this sha256 come from, back to its script row, voice, portrait and request?
-- One row per piece of content it was made from; depth 0 is the file itself. Sizes in bytes, lengths in seconds.
SELECT * FROM lineage($file_sha256) ORDER BY campaign, clip_id, depth, kind
