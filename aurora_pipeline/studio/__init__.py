"""A local stand-in for fal, as a separate program: the same HTTP, free drafts, nothing leaves this machine.

    __main__         the command line; binds loopback, prints its URL
    app              routes and parts put together
    gate             who may come in, and under which of fal's host names
    queue_routes     queue.fal.run and fal.run
    storage_routes   rest.fal.ai and v3.fal.media
    platform_routes  api.fal.ai
    leases           who is using this studio; it may stop when nobody is
    jobs             the queue: first in, first out, as many at once as there are render workers
    aurora           what the model accepts and how it refuses
    inputs           the URLs of a job -> files on disk
    renderer         one long-lived render process and its JSON lines
    storage, book    files on disk; requests, logs and bills in SQLite
    pricing          price book -> what this would have cost

It imports none of the pipeline's stages: they meet over HTTP only, as with fal.
"""
