"""A local stand-in for fal, as a separate program: the same HTTP, free drafts, nothing leaves this machine.

    __main__         the command line; binds loopback, prints its URL
    app              routes and parts put together
    gate             who may come in, and under which of fal's host names
    queue_routes     queue.fal.run and fal.run
    storage_routes   rest.fal.ai and v3.fal.media
    platform_routes  api.fal.ai
    leases           who is using this studio; it may stop when nobody is
    jobs             the queue: by priority, then first in, first out; as many at once as there are render workers
    terms            what a submit asks for beside its arguments: priority, deadline, lives of files, webhook
    answers          a request in the book -> what its client is told
    request_errors   how a request fails around the model: its deadline, a dead worker
    webhooks         signed POSTs to whoever was named; deliveries says which are due
    models           what each model accepts; refusals how it refuses
    inputs           the URLs of a job -> files on disk
    renderer         one long-lived render process and its JSON lines
    instant          still cards in place of talking heads, for load tests; mp4 writes their files
    storage          files on disk, multipart those that come in parts; file_book their names and lives
    book             requests, logs and bills in SQLite; book_tables its tables
    addresses        where the studio may connect to: the open internet
    pricing          price book -> what this would have cost
    scenario         how it is to break, on purpose: the format; scenario_file reads it, fault_kinds lists every fault
    faults           counts requests, decides which faults strike, remembers which did; places names the requests
    breaking         faults of requests and answers, on the wire; broken_answers what is left of an answer
    render_faults    faults of jobs, videos and bills; webhook_faults those of deliveries
    fault_routes     /_studio/scenario and /_studio/faults

It imports none of the pipeline's stages: they meet over HTTP only, as with fal.
"""
