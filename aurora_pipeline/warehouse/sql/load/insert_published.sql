-- Say how fresh the file is and who made it.
-- One row in all. Times are UTC.
INSERT INTO published BY NAME
SELECT
    $published_at AS published_at,
    $version AS version,
    $schema_sha256 AS schema_sha256
