"""The published fault table: `python -m aurora_pipeline_tests.faults`.

A studio process stands in for fal and is broken on purpose (``--scenario``); worker processes buy a campaign from it
through the real fal-client and are killed; afterwards the studio's own billing events are laid beside the ledger.

    homes       a campaign whose speech is made already, or to be bought, so that a worker only buys
    studio      the studio process: started, broken, healed, restarted, asked for its bills
    workers     one worker process: ours, or the plain subscribe loop beside which ours is judged
    boundaries  the named moments of a purchase at which a worker is killed or frozen
    cells       fault x point, as data; speech_cells the same where the voice is bought too
    matrix      runs one cell until everything that can be delivered is delivered
    accounting  billed by the studio, charged in the ledger, delivered; doubled, lost, over budget
    kills       random kill -9 on several workers of one ledger
    budget_race sixteen processes, one budget; and the check-then-act everybody writes first
    power_cut   the order of fdatasync and POST, read off strace
    canary      the key is found nowhere and sent nowhere else
    table       what is printed
"""
