-- Where does each finished file come from, what does it really say, and what did its clip cost?
-- One row per deliverable. US dollars of the clip's video, and of speaking and hearing it, repeated on each of its files: do not add them up.
WITH rendered AS (
    SELECT
        campaign,
        clip_id,
        output_sha256 AS video_sha256,
        max(input_sha256) FILTER (input_kind = 'speech') AS speech_sha256,
        max(input_sha256) FILTER (input_kind = 'portrait') AS portrait_sha256,
        max(parameters ->> 'portrait') AS portrait,
        max(parameters ->> 'provider') AS provider,
        max(parameters ->> 'request_id') AS request_id,
        max(parameters ->> 'charge_id') AS charge_id,
        max(parameters ->> 'fingerprint') AS fingerprint
    FROM derivations
    WHERE output_kind = 'video'
    GROUP BY campaign, clip_id, output_sha256
),

-- A newer video may have taken the clip's row in videos; the finished file still shows the one it was made from.
sources AS (
    SELECT
        deliverables.*,
        rendered.portrait,
        coalesce(videos.provider, rendered.provider) AS video_provider,
        coalesce(videos.request_id, rendered.request_id) AS request_id,
        coalesce(videos.charge_id, rendered.charge_id) AS charge_id,
        coalesce(videos.fingerprint, rendered.fingerprint) AS fingerprint,
        coalesce(videos.speech_sha256, rendered.speech_sha256) AS speech_sha256,
        coalesce(videos.portrait_sha256, rendered.portrait_sha256) AS portrait_sha256,
        videos.was_reused,
        videos.billed_usd,
        videos.paid_usd
    FROM deliverables
    LEFT JOIN rendered USING (campaign, clip_id, video_sha256)
    LEFT JOIN videos
        ON
            deliverables.campaign = videos.campaign
            AND deliverables.clip_id = videos.clip_id
            AND deliverables.video_sha256 = videos.sha256
),

spoken AS (
    SELECT
        derivations.campaign,
        derivations.clip_id,
        derivations.output_sha256 AS speech_sha256,
        string_agg(DISTINCT artifacts.written, ' / ') AS text,
        max(derivations.parameters ->> 'voice') AS voice,
        max(derivations.parameters ->> 'language') AS language,
        max((derivations.parameters -> 'charge_ids')::VARCHAR) AS speech_charge_ids
    FROM derivations
    LEFT JOIN artifacts
        ON
            derivations.campaign = artifacts.campaign
            AND derivations.input_sha256 = artifacts.sha256
            AND derivations.input_kind = artifacts.kind
    WHERE derivations.output_kind = 'speech'
    GROUP BY derivations.campaign, derivations.clip_id, derivations.output_sha256
)

SELECT
    sources.file,
    sources.campaign,
    sources.clip_id,
    sources.rendition,
    clips.line AS script_line,
    spoken.text,
    coalesce(sources.portrait, portraits.written) AS portrait,
    spoken.voice,
    spoken.language,
    sources.is_draft,
    sources.video_provider AS provider,
    sources.request_id,
    sources.charge_id,
    sources.fingerprint,
    sources.was_reused,
    charges.campaign AS charged_to_campaign,
    charges.state AS charge_state,
    sources.billed_usd,
    sources.paid_usd,
    spoken.speech_charge_ids,
    speech.billed_usd AS speech_billed_usd,
    speech.paid_usd AS speech_paid_usd,
    sources.sha256,
    sources.video_sha256,
    sources.speech_sha256,
    sources.portrait_sha256
FROM sources
LEFT JOIN spoken USING (campaign, clip_id, speech_sha256)
LEFT JOIN (FROM artifacts WHERE kind = 'portrait') AS portraits
    ON sources.campaign = portraits.campaign AND sources.portrait_sha256 = portraits.sha256
LEFT JOIN clips ON sources.campaign = clips.campaign AND sources.clip_id = clips.clip_id
LEFT JOIN speech
    ON
        sources.campaign = speech.campaign
        AND sources.clip_id = speech.clip_id
        AND sources.speech_sha256 = speech.sha256
LEFT JOIN charges ON sources.charge_id = charges.charge_id
ORDER BY sources.file
