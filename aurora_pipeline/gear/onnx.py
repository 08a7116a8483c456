"""onnxruntime, kept from phoning home.

Measured with 1.32.0 on Linux: ten seconds after its first session it posts usage events to
mobile.events.data.microsoft.com, and it leaves a device id and a database in ~/.cache/Microsoft. Its own
`disable_telemetry_events()` comes too late for the first events; the variable, which it reads when it is loaded, does
not. Nothing that this product makes or runs on may leave the machine unasked.
"""

from __future__ import annotations

import os


def keep_quiet() -> None:
    """Call before onnxruntime, or anything that imports it, is loaded."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
