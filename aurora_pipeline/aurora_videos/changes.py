"""What a clip was made from, part by part, so that a quote can say what changed since it was last bought."""

from __future__ import annotations

import hashlib
import json

from .records import Charge
from .request import AuroraRequest


def inputs_of(request: AuroraRequest) -> dict[str, str]:
    """The parts people know, each as a text that changes when the part does."""
    script, speech = request.script, request.speech
    parameters = (script.model, script.resolution, script.prompt, script.guidance_scale, script.audio_guidance_scale)
    return {
        "script": hashlib.sha256(script.text.encode()).hexdigest(),
        "voice": f"{script.voice} {script.language}",
        "portrait": request.image.sha256,
        "parameters": " ".join(str(parameter) for parameter in parameters),
        "speech": speech.sha256,
    }


def changed_inputs(before: Charge, request: AuroraRequest) -> tuple[str, ...]:
    """The parts that differ from those of an earlier charge: script, voice, portrait, parameters.

    ``speech`` only when nothing else explains it (the engine itself changed). Empty for a charge of before parts were
    kept.
    """
    if before.inputs is None:
        return ()
    then: dict[str, str] = json.loads(before.inputs)
    differing = [part for part, text in inputs_of(request).items() if then.get(part) != text]
    return tuple(part for part in differing if part != "speech") or tuple(differing)
