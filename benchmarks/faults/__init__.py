"""The cases of ``benchmarks.fault_run``: what is done to a pre-training, and what must come of it."""
