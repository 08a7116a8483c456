"""Two jobs, so that automation can never spend by surprise: one is free by construction."""

import dagster as dg

prepare_campaign = dg.define_asset_job(
    "prepare_campaign",
    selection=dg.AssetSelection.assets("script_table", "tts_audio"),
    description="Reads the scripts, speaks them and quotes the bill. Free, whatever the provider.",
)
run_campaign = dg.define_asset_job(
    "run_campaign",
    selection=dg.AssetSelection.assets("script_table", "tts_audio", "aurora_videos", "deliverables", "warehouse"),
    description="All five stages. Drafts are free; with provider fal this buys what a person approved or capped.",
)
