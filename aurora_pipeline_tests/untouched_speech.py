"""fal-client as its users run it, for speech: subscribes to every [endpoint, arguments] it reads from stdin.

Prints one JSON list of {"request_id", "result"}. Nothing but fal_client and the standard library is imported.
"""

import json
import sys

import fal_client


def subscribed(endpoint, arguments):
    """One result, and the id that fal's client was told when the request was queued."""
    told = []
    result = fal_client.subscribe(endpoint, arguments, on_enqueue=told.append, client_timeout=120)
    return {"request_id": told[0], "result": result}


if __name__ == "__main__":
    sys.stdout.write(json.dumps([subscribed(*each) for each in json.load(sys.stdin)]))
