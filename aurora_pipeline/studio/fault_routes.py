"""/_studio/scenario and /_studio/faults: break a running studio, and see what broke."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from ..errors import BadInput
from .parts import TheStudio, body_of
from .scenario import read_scenario
from .scenario_file import MAX_BYTES

router = APIRouter(prefix="/_studio", tags=["studio"])


@router.put("/scenario")
async def switch(request: Request, studio: TheStudio) -> dict[str, Any]:
    """Begin another scenario (YAML or JSON); the counters start again. Every problem of a wrong one is told."""
    try:
        body = await body_of(request, MAX_BYTES, "a scenario is a list of faults")
        # in a thread: the largest file takes YAML seconds
        scenario = await asyncio.to_thread(read_scenario, body, file="the scenario")
    except BadInput as error:
        raise HTTPException(422, str(error)) from error
    studio.faults.switch(scenario)
    return {"seed": scenario.seed, "faults": len(scenario.faults)}


@router.get("/faults")
async def faults(studio: TheStudio) -> dict[str, Any]:
    """How many requests each place has seen since the scenario began, and every fault that was injected."""
    return studio.faults.told()
