"""A spreadsheet of scripts in; finished talking-avatar videos out; every second traced to its row, cost and quality.

The flow, top to bottom; each stage imports only the stages above it:

    script_table    campaign.yaml + scripts.csv   -> Script
    tts_audio       Script                        -> Speech
    aurora_videos   Script + Speech               -> Video         money is spent here and only here
    deliverables    Video + Speech                -> Deliverable, Quality
    warehouse       all of it                     -> DuckDB and a report

    pipeline        the five stages as functions; both doors call these
    cli             people's door: the `aurora` command
    orchestration   Dagster's door (definitions.py is what Dagster loads)
    studio          a separate program, the local stand-in for fal, reached only over HTTP
    gear            outside things, one library a file
"""

__version__ = "0.1.0"
