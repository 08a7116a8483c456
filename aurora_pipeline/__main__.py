"""`python -m aurora_pipeline` is the `aurora` command."""

from .cli import main

main()
