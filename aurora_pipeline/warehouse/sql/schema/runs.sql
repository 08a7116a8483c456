-- Which stage ran when, for how long, and with what result?
-- One row per execution of one stage for one campaign, from either door. Times are UTC, money is US dollars.
CREATE TABLE runs (
    run_id VARCHAR NOT NULL,  -- name of the run; one run may hold several stages
    campaign VARCHAR NOT NULL,  -- campaign it ran for
    stage VARCHAR NOT NULL,  -- script_table, tts_audio, aurora_videos, deliverables or warehouse
    door VARCHAR NOT NULL,  -- who started it: cli or dagster
    provider VARCHAR NOT NULL,  -- fal (paid) or studio (local and free)
    version VARCHAR NOT NULL,  -- version of aurora_pipeline
    started_at TIMESTAMP NOT NULL,  -- UTC
    ended_at TIMESTAMP NOT NULL,  -- UTC
    seconds DOUBLE NOT NULL,  -- how long it took, seconds
    good_rows INTEGER NOT NULL,  -- rows the stage ended with
    made_rows INTEGER NOT NULL,  -- rows it newly made; the others were kept
    failures INTEGER NOT NULL,  -- clips it gave up
    billed_usd DECIMAL(18, 6) NOT NULL,  -- bills of the run, US dollars; for studio what it would have billed
    paid_usd DECIMAL(18, 6) NOT NULL,  -- what the run really paid, US dollars: 0 for studio
    sentence VARCHAR,  -- what ended the run early; NULL when it went well
    day DATE NOT NULL,  -- UTC day it started
    PRIMARY KEY (run_id, campaign, stage, started_at)
);
