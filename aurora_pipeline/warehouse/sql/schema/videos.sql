-- Which talking-head video does each clip have, and what did it cost?
-- One row per clip whose video was bought, drafted or reused. Money is US dollars.
CREATE TABLE videos (
    campaign VARCHAR NOT NULL,  -- campaign this clip belongs to
    clip_id VARCHAR NOT NULL,  -- clip the video shows
    provider VARCHAR NOT NULL,  -- who made it: fal (paid) or studio (local and free)
    is_draft BOOLEAN NOT NULL,  -- true for a free studio draft, which must never be delivered as bought
    endpoint VARCHAR NOT NULL,  -- model that made it
    fingerprint VARCHAR NOT NULL,  -- hash over endpoint and every argument sent: equal ones are bought once
    charge_id VARCHAR NOT NULL,  -- purchase in charges
    request_id VARCHAR NOT NULL,  -- the provider's name of the request
    sha256 VARCHAR NOT NULL,  -- hash of the video as it came back
    speech_sha256 VARCHAR NOT NULL,  -- hash of the speech it was made from
    portrait_sha256 VARCHAR NOT NULL,  -- hash of the portrait it was made from
    resolution VARCHAR NOT NULL,  -- 480p or 720p
    width_pixels INTEGER NOT NULL,  -- width of the picture, pixels
    height_pixels INTEGER NOT NULL,  -- height of the picture, pixels
    fps DOUBLE NOT NULL,  -- frames a second
    seconds DOUBLE NOT NULL,  -- measured length of the picture, seconds
    billed_seconds INTEGER NOT NULL,  -- whole seconds on the bill: the length rounded up
    usd_per_second DECIMAL(18, 6) NOT NULL,  -- price, US dollars a billed second
    list_usd DECIMAL(18, 6) NOT NULL,  -- billed seconds at that price, US dollars: what the clip costs when nobody has bought it yet
    billed_usd DECIMAL(18, 6) NOT NULL,  -- the bill, US dollars; for a draft what studio would have billed; 0 when it was reused
    paid_usd DECIMAL(18, 6) NOT NULL,  -- what this clip really cost, US dollars: 0 for a draft and for a reused video
    was_reused BOOLEAN NOT NULL,  -- true when the video was bought for another clip, of this or another campaign
    bought_for_campaign VARCHAR,  -- campaign of the clip that it was bought for; NULL when its charge was not loaded
    bought_for_clip_id VARCHAR,  -- clip that it was bought for; NULL when its charge was not loaded
    PRIMARY KEY (campaign, clip_id)
);
