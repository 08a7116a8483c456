-- Add edges; one that is there stays as it was first told, before anybody edited the row it came from.
-- One row per output, input and clip: an edge of the lineage graph.
-- Each $name is a list, one value a row.
INSERT INTO derivations BY NAME
SELECT
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($output_sha256::VARCHAR[]) AS output_sha256,
    unnest($output_kind::VARCHAR[]) AS output_kind,
    unnest($input_sha256::VARCHAR[]) AS input_sha256,
    unnest($input_kind::VARCHAR[]) AS input_kind,
    unnest($activity::VARCHAR[]) AS activity,
    unnest($parameters::JSON[]) AS parameters
ON CONFLICT DO NOTHING
