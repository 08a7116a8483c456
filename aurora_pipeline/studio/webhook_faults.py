"""What goes wrong with one webhook's first delivery: it comes twice, late, wrongly signed or not at all."""

from __future__ import annotations

from .deliveries import Delivery
from .faults import Faults

SIGNATURE = "X-Fal-Webhook-Signature"


class WebhookTrouble:
    """The faults that strike one delivery; its repetitions are left alone."""

    def __init__(self, faults: Faults, delivery: Delivery) -> None:
        self.faults = faults
        self.strikes = faults.strikes("webhook", delivery.request_id) if delivery.attempts == 0 else []
        for strike in self.strikes:
            faults.record(strike, request_id=delivery.request_id)

    @property
    def times(self) -> int:
        """How often it is posted."""
        return 0 if self._has("none") else 2 if self._has("duplicate") else 1

    async def wait(self) -> None:
        """Be late."""
        for strike in self.strikes:
            if strike.fault.name == "late":
                await self.faults.pause(strike.fault.options["seconds"])

    def signed(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers, with a signature of somebody else's when the scenario says so."""
        return headers | {SIGNATURE: "00" * 64} if self._has("bad_signature") else headers

    def _has(self, name: str) -> bool:
        return any(strike.fault.name == name for strike in self.strikes)
