-- How fresh is this file, and which version made it?
-- One row in all. Times are UTC.
CREATE TABLE published (
    published_at TIMESTAMP NOT NULL,  -- UTC; facts are as of then
    version VARCHAR NOT NULL,  -- version of aurora_pipeline that wrote the file
    schema_sha256 VARCHAR NOT NULL  -- hash over the table definitions: another one means that the file must be rebuilt
);
