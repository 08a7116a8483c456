-- Which campaigns are there, with what budget and what kind of delivery?
-- One row per campaign. Money is US dollars.
CREATE TABLE campaigns (
    campaign VARCHAR NOT NULL,  -- folder name under data/campaigns: the partition key and the key everywhere
    title VARCHAR NOT NULL,  -- title as people read it
    budget_usd DECIMAL(18, 6),  -- most that may really be paid, US dollars; NULL when the campaign has none and may only be drafted
    clips INTEGER NOT NULL,  -- rows of scripts.csv
    renditions VARCHAR NOT NULL,  -- picture shapes asked for, comma separated
    short_side_pixels INTEGER NOT NULL,  -- shorter edge of the finished pictures, pixels
    fit VARCHAR NOT NULL,  -- how a picture is put into another shape: crop or pad
    loudness_lufs DECIMAL(18, 6) NOT NULL,  -- integrated loudness asked for, LUFS
    true_peak_dbtp DECIMAL(18, 6) NOT NULL,  -- highest true peak allowed, dBTP
    sha256 VARCHAR NOT NULL,  -- hash over campaign.yaml, scripts.csv and every portrait: equal hashes mean equal work
    PRIMARY KEY (campaign)
);
