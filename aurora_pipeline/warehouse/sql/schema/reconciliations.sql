-- Does the provider's bill agree with the ledger and with the stored file?
-- One row per charge that was compared, and per request at the provider that no charge knows: the latest comparison. US dollars, seconds, UTC.
CREATE TABLE reconciliations (
    subject VARCHAR NOT NULL,  -- charge_id of the charge, or request_id of a request that no charge knows
    provider VARCHAR NOT NULL,  -- fal (paid) or studio (local and free)
    is_draft BOOLEAN NOT NULL,  -- true for studio: the amounts are what it would have billed, nothing was paid
    campaign VARCHAR,  -- campaign of the charge; NULL for a request that no charge knows
    clip_id VARCHAR,  -- clip of the charge; NULL for a request that no charge knows
    request_id VARCHAR,  -- the provider's name of the request, the charge's own or found for it; NULL when there is none
    state VARCHAR,  -- state of the charge; for a request without one unrecorded when it was sent as this pipeline sends, else NULL
    expected_usd DECIMAL(18, 6),  -- measured seconds at the price fixed on the charge, US dollars; 0 where nothing should be billed; NULL while open
    reported_usd DECIMAL(18, 6),  -- units the provider reported with the result, at its unit price, US dollars; NULL when it named neither
    event_usd DECIMAL(18, 6),  -- the provider's billing events, US dollars; NULL without one, or when the key may not read them
    file_seconds DOUBLE,  -- length of the stored video, measured again, seconds; NULL when it is missing or damaged
    file_usd DECIMAL(18, 6),  -- that length rounded up at the charge's price, US dollars; NULL without a readable file
    verdict VARCHAR NOT NULL,  -- agrees, billed more, billed less, not billed yet, never billed, billed without a result, no charge, file missing, file differs or not readable
    needs_a_person BOOLEAN NOT NULL,  -- true when somebody should look
    sentence VARCHAR NOT NULL,  -- what happened, what to do, and the dollars
    checked_at TIMESTAMP NOT NULL,  -- UTC; when it was compared
    PRIMARY KEY (subject)
);
