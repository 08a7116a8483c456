"""What each stage costs in CPU seconds. `python -m aurora_pipeline_tests.benchmarks` prints the table."""
