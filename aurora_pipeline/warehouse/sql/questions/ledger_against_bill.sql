-- Does the ledger agree with the provider's bill, and both with the files?
-- One row per campaign and UTC day of its charges, bought and draft apart, newest first; only what was reconciled. US dollars; an amount that is not known adds nothing. Requests that no charge knows stand under no campaign, on the day they were found.
SELECT
    reconciliations.campaign,
    coalesce(charges.day, reconciliations.checked_at::DATE) AS day,
    reconciliations.is_draft,
    count(*) AS compared,
    count(*) FILTER (reconciliations.verdict = 'agrees') AS agreeing,
    count(*) FILTER (reconciliations.needs_a_person) AS for_a_person,
    coalesce(sum(reconciliations.expected_usd), 0)::DECIMAL(18, 6) AS expected_usd,
    coalesce(sum(reconciliations.reported_usd), 0)::DECIMAL(18, 6) AS reported_usd,
    coalesce(sum(reconciliations.event_usd), 0)::DECIMAL(18, 6) AS event_usd,
    coalesce(sum(reconciliations.file_usd), 0)::DECIMAL(18, 6) AS file_usd,
    coalesce(sum(charges.billed_usd), 0)::DECIMAL(18, 6) AS ledger_usd,
    -- Only where the provider has a record: what it has not billed yet is no difference.
    coalesce(sum(reconciliations.event_usd - coalesce(charges.billed_usd, 0)), 0)::DECIMAL(18, 6) AS event_minus_ledger_usd,
    coalesce(sum(reconciliations.event_usd - coalesce(reconciliations.expected_usd, 0)), 0)::DECIMAL(18, 6) AS event_minus_expected_usd
FROM reconciliations
LEFT JOIN charges ON reconciliations.subject = charges.charge_id
GROUP BY reconciliations.campaign, coalesce(charges.day, reconciliations.checked_at::DATE), reconciliations.is_draft
ORDER BY day DESC, reconciliations.campaign NULLS FIRST, reconciliations.is_draft
