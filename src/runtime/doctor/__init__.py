"""What is wrong with this machine: ``python -m src.runtime.doctor``."""
