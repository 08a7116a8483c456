"""Imported once by the fork server, so that every worker starts with everything a purchase needs."""

from importlib import import_module

import httpx

for name in (
    "fal_client",
    "sqlalchemy.dialects.sqlite",
    "aurora_pipeline.aurora_videos.purchase",
    "aurora_pipeline.aurora_videos.render",
    "aurora_pipeline.aurora_videos.sellers",
    "aurora_pipeline.aurora_videos.speech_quote",
    "aurora_pipeline.gear.faces",
    "aurora_pipeline.gear.images",
    "aurora_pipeline.gear.parquet",
    "aurora_pipeline.gear.probe",
    "aurora_pipeline.gear.sound_probe",
    "aurora_pipeline.pipeline",
    "aurora_pipeline.script_table",
    "aurora_pipeline.tts_audio",
    "aurora_pipeline.tts_audio.speak",
    "aurora_pipeline_tests.faults.boundaries",
    "aurora_pipeline_tests.faults.workers",
):
    import_module(name)

# Reading the CA bundle is 0.1 s of CPU a client, and nothing here speaks TLS: the studio is on loopback.
TLS = httpx.create_ssl_context()
