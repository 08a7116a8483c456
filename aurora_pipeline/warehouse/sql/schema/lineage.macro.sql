-- Where does the file with this sha256 come from, back to its script row, voice, portrait and request?
-- One row per piece of content it was made from, for every clip it belongs to; depth 0 is the file itself.
CREATE OR REPLACE MACRO lineage(file_sha256) AS TABLE
WITH RECURSIVE start AS MATERIALIZED (
    SELECT campaign, clip_id, output_sha256 AS sha256, output_kind AS kind
    FROM derivations
    WHERE output_sha256 = file_sha256
    UNION
    SELECT campaign, clip_id, input_sha256 AS sha256, input_kind AS kind
    FROM derivations
    WHERE input_sha256 = file_sha256
),

-- The walk joins the few edges of these clips, never the whole graph.
edges AS MATERIALIZED (
    SELECT derivations.*
    FROM derivations
    SEMI JOIN start USING (campaign, clip_id)
),

walk AS (
    SELECT campaign, clip_id, sha256, kind, 0 AS depth FROM start
    UNION
    SELECT edges.campaign, edges.clip_id, edges.input_sha256, edges.input_kind, walk.depth + 1
    FROM walk
    INNER JOIN edges
        ON
            walk.campaign = edges.campaign
            AND walk.clip_id = edges.clip_id
            AND walk.sha256 = edges.output_sha256
            AND walk.kind = edges.output_kind
),

-- An input may be reached on two ways (identical bytes under two kinds); the shortest one counts.
reached AS (
    SELECT campaign, clip_id, sha256, kind, min(depth) AS depth
    FROM walk
    GROUP BY campaign, clip_id, sha256, kind
),

made AS (
    SELECT DISTINCT campaign, clip_id, output_sha256 AS sha256, output_kind AS kind, activity, parameters
    FROM edges
),

-- What the file was made from, as it was then: not today's row of scripts.csv, which may have been edited since.
origin AS (
    SELECT
        reached.campaign,
        reached.clip_id,
        string_agg(DISTINCT artifacts.written, ' / ') FILTER (reached.kind = 'script') AS text,
        coalesce(
            string_agg(DISTINCT made.parameters ->> 'portrait', ' / ') FILTER (reached.kind = 'video'),
            string_agg(DISTINCT artifacts.written, ' / ') FILTER (reached.kind = 'portrait')
        ) AS portrait,
        string_agg(DISTINCT made.parameters ->> 'voice', ' / ') FILTER (reached.kind = 'speech') AS voice,
        string_agg(DISTINCT made.parameters ->> 'request_id', ' / ') FILTER (reached.kind = 'video') AS request_id,
        string_agg(DISTINCT made.parameters ->> 'charge_id', ' / ') FILTER (reached.kind = 'video') AS charge_id
    FROM reached
    LEFT JOIN made USING (campaign, clip_id, sha256, kind)
    LEFT JOIN artifacts USING (campaign, sha256, kind)
    GROUP BY reached.campaign, reached.clip_id
)

SELECT
    reached.depth,
    reached.kind,
    reached.sha256,
    artifacts.file,
    artifacts.bytes,
    artifacts.seconds,
    made.activity,
    made.parameters,
    reached.campaign,
    reached.clip_id,
    clips.line AS script_line,
    origin.text,
    origin.voice,
    origin.portrait,
    origin.request_id,
    origin.charge_id
FROM reached
LEFT JOIN made USING (campaign, clip_id, sha256, kind)
LEFT JOIN artifacts USING (campaign, sha256, kind)
LEFT JOIN origin USING (campaign, clip_id)
LEFT JOIN clips USING (campaign, clip_id)
