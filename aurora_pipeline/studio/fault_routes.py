"""/_studio/scenario and /_studio/faults: break a running studio, and see what broke."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request

from ..errors import BadInput
from .parts import TheStudio
from .scenario import read_scenario

router = APIRouter(prefix="/_studio", tags=["studio"])


@router.put("/scenario")
async def switch(request: Request, studio: TheStudio) -> dict[str, Any]:
    """Begin another scenario (YAML or JSON); the counters start again. Every problem of a wrong one is told."""
    try:
        scenario = read_scenario(await request.body(), file="the scenario")
    except BadInput as error:
        raise HTTPException(422, str(error)) from error
    studio.faults.switch(scenario)
    return {"seed": scenario.seed, "faults": len(scenario.faults)}


@router.get("/faults")
async def faults(studio: TheStudio) -> dict[str, Any]:
    """How many requests each place has seen since the scenario began, and every fault that was injected."""
    return studio.faults.told()
