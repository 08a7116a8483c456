"""`python -m aurora_pipeline_tests.faults`. Thin on purpose: every worker process imports this file again."""

import sys

if __name__ == "__main__":
    from .command import main

    sys.exit(main())
