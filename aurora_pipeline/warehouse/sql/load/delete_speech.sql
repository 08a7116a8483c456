-- Forget one campaign's rows of speech, so that it is replaced exactly.
-- One row per clip: a mono WAV in the media store, its length counted from the samples.
DELETE FROM speech WHERE campaign = $campaign
