-- What was bought, from whom, and what did it cost?
-- One row per purchase of the ledger, drafts included. Money is US dollars, times are UTC.
CREATE TABLE charges (
    charge_id VARCHAR NOT NULL,  -- the ledger's name of this purchase
    kind VARCHAR NOT NULL,  -- what was bought: video, speech (a voice) or transcript (what a recogniser heard)
    provider VARCHAR NOT NULL,  -- who made it: fal (paid) or studio (local and free)
    is_draft BOOLEAN NOT NULL,  -- true for studio: a free draft, never a bought video
    fingerprint VARCHAR NOT NULL,  -- hash over endpoint and every argument sent: equal ones are bought once
    campaign VARCHAR NOT NULL,  -- campaign that bought it; another one may reuse it without a charge of its own
    clip_id VARCHAR NOT NULL,  -- clip it was bought for
    run_id VARCHAR NOT NULL,  -- run that bought it
    endpoint VARCHAR NOT NULL,  -- model that was asked
    resolution VARCHAR NOT NULL,  -- 480p or 720p; decides the price; any for speech and transcripts
    state VARCHAR NOT NULL,  -- reserved, sending, accepted, completed, stored, settled, refused, rejected, voided or unknown
    request_id VARCHAR,  -- the provider's name of the request; NULL until it was accepted
    audio_seconds DOUBLE,  -- length of the speech that was sent, seconds; NULL for a bought voice, which is sent a text
    unit VARCHAR NOT NULL,  -- what is counted for the bill: second, minute, character or 1000_characters
    usd_per_unit DECIMAL(18, 12) NOT NULL,  -- price of the moment, US dollars of one unit
    wanted_units DECIMAL(18, 6),  -- units expected on the bill when it was planned
    usd_per_second DECIMAL(18, 12),  -- the same price where the unit is a video's billed second; NULL for other kinds
    price_source VARCHAR NOT NULL,  -- where the price was read
    reserved_usd DECIMAL(18, 6) NOT NULL,  -- worst case that was held inside the budget, US dollars
    held_usd DECIMAL(18, 6) NOT NULL,  -- of that, what is still held because the bill is open, US dollars; 0 once settled or refused
    billed_seconds INTEGER,  -- whole seconds on the bill of a video; NULL until settled, and for other kinds
    billable_units DECIMAL(18, 6),  -- units the provider itself reported; NULL when it reported none
    billed_usd DECIMAL(18, 6),  -- the provider's bill, US dollars; for studio what it would have billed; NULL until settled
    paid_usd DECIMAL(18, 6) NOT NULL,  -- what was really paid, US dollars: the bill, or 0 for a studio draft and while the bill is open
    video_sha256 VARCHAR,  -- hash of the file that came back, whatever its kind; NULL until stored
    sentence VARCHAR,  -- why the charge was refused, voided or is unknown; NULL otherwise
    planned_at TIMESTAMP NOT NULL,  -- UTC
    sent_at TIMESTAMP,  -- UTC; NULL until sent
    accepted_at TIMESTAMP,  -- UTC; NULL until accepted
    settled_at TIMESTAMP,  -- UTC; NULL until settled
    day DATE NOT NULL,  -- UTC day it was reserved
    inputs JSON,  -- what the clip was made from, part by part: how a later quote says what changed; NULL for charges of older versions
    reported_usd DECIMAL(18, 6),  -- the provider's units at its own unit price, US dollars; NULL when it named neither
    bill_source VARCHAR,  -- whose word billed_usd is: measured (seconds at our price), reported (its units) or event (its billing record); NULL until settled
    PRIMARY KEY (charge_id)
);
