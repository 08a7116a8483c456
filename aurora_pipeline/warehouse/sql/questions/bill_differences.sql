-- Where do the ledger, the provider's bill and the files not agree, and what is to be done?
-- One row per charge (or request that no charge knows) that does not agree; what needs a person first, dearest first. US dollars; a draft's were never paid.
SELECT
    verdict,
    needs_a_person,
    campaign,
    clip_id,
    is_draft,
    expected_usd,
    reported_usd,
    event_usd,
    file_usd,
    sentence,
    subject,
    request_id,
    checked_at
FROM reconciliations
WHERE verdict <> 'agrees'
ORDER BY needs_a_person DESC, coalesce(event_usd, expected_usd, 0) DESC, subject
