-- Add purchases, or bring them up to date: charges are shared by every campaign that reuses them.
-- One row per purchase of the ledger, drafts included. Money is US dollars, times are UTC.
-- Each $name is a list, one value a row.
INSERT INTO charges BY NAME
SELECT
    unnest($charge_id::VARCHAR[]) AS charge_id,
    unnest($kind::VARCHAR[]) AS kind,
    unnest($provider::VARCHAR[]) AS provider,
    unnest($is_draft::BOOLEAN[]) AS is_draft,
    unnest($fingerprint::VARCHAR[]) AS fingerprint,
    unnest($campaign::VARCHAR[]) AS campaign,
    unnest($clip_id::VARCHAR[]) AS clip_id,
    unnest($run_id::VARCHAR[]) AS run_id,
    unnest($endpoint::VARCHAR[]) AS endpoint,
    unnest($resolution::VARCHAR[]) AS resolution,
    unnest($state::VARCHAR[]) AS state,
    unnest($request_id::VARCHAR[]) AS request_id,
    unnest($audio_seconds::DOUBLE[]) AS audio_seconds,
    unnest($unit::VARCHAR[]) AS unit,
    unnest($usd_per_unit::DECIMAL(18, 12)[]) AS usd_per_unit,
    unnest($wanted_units::DECIMAL(18, 6)[]) AS wanted_units,
    unnest($usd_per_second::DECIMAL(18, 12)[]) AS usd_per_second,
    unnest($price_source::VARCHAR[]) AS price_source,
    unnest($reserved_usd::DECIMAL(18, 6)[]) AS reserved_usd,
    unnest($held_usd::DECIMAL(18, 6)[]) AS held_usd,
    unnest($billed_seconds::INTEGER[]) AS billed_seconds,
    unnest($billable_units::DECIMAL(18, 6)[]) AS billable_units,
    unnest($billed_usd::DECIMAL(18, 6)[]) AS billed_usd,
    unnest($paid_usd::DECIMAL(18, 6)[]) AS paid_usd,
    unnest($video_sha256::VARCHAR[]) AS video_sha256,
    unnest($sentence::VARCHAR[]) AS sentence,
    unnest($planned_at::TIMESTAMP[]) AS planned_at,
    unnest($sent_at::TIMESTAMP[]) AS sent_at,
    unnest($accepted_at::TIMESTAMP[]) AS accepted_at,
    unnest($settled_at::TIMESTAMP[]) AS settled_at,
    unnest($day::DATE[]) AS day,
    unnest($inputs::JSON[]) AS inputs,
    unnest($reported_usd::DECIMAL(18, 6)[]) AS reported_usd,
    unnest($bill_source::VARCHAR[]) AS bill_source
ON CONFLICT (charge_id) DO UPDATE SET
    kind = excluded.kind,
    provider = excluded.provider,
    is_draft = excluded.is_draft,
    fingerprint = excluded.fingerprint,
    campaign = excluded.campaign,
    clip_id = excluded.clip_id,
    run_id = excluded.run_id,
    endpoint = excluded.endpoint,
    resolution = excluded.resolution,
    state = excluded.state,
    request_id = excluded.request_id,
    audio_seconds = excluded.audio_seconds,
    unit = excluded.unit,
    usd_per_unit = excluded.usd_per_unit,
    wanted_units = excluded.wanted_units,
    usd_per_second = excluded.usd_per_second,
    price_source = excluded.price_source,
    reserved_usd = excluded.reserved_usd,
    held_usd = excluded.held_usd,
    billed_seconds = excluded.billed_seconds,
    billable_units = excluded.billable_units,
    billed_usd = excluded.billed_usd,
    paid_usd = excluded.paid_usd,
    video_sha256 = excluded.video_sha256,
    sentence = excluded.sentence,
    planned_at = excluded.planned_at,
    sent_at = excluded.sent_at,
    accepted_at = excluded.accepted_at,
    settled_at = excluded.settled_at,
    day = excluded.day,
    inputs = excluded.inputs,
    reported_usd = excluded.reported_usd,
    bill_source = excluded.bill_source
-- Two campaigns may load one charge at the same time: the later state wins, whoever comes last. States and not times
-- are compared, because a clock can be set back. A free draft may be voided after it was settled, never the reverse.
WHERE
    list_position(
        ['reserved', 'sending', 'unknown', 'accepted', 'completed', 'stored', 'rejected', 'settled', 'refused', 'voided'],
        excluded.state
    ) >= list_position(
        ['reserved', 'sending', 'unknown', 'accepted', 'completed', 'stored', 'rejected', 'settled', 'refused', 'voided'],
        charges.state
    )
