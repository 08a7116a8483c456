-- Which charges hold money with nothing to show for it, and why?
-- One row per held charge with fal, oldest first. US dollars; `aurora release CHARGE_ID` frees one that was surely not billed.
SELECT
    charge_id,
    kind,
    provider,
    campaign,
    clip_id,
    state,
    reserved_usd,
    request_id,
    planned_at,
    sentence
FROM charges
WHERE state IN ('rejected', 'unknown') AND NOT is_draft
ORDER BY planned_at
