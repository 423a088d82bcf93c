"""Score predictions for SQuAD v1.1 or v2.0 with the official metrics: ``python evaluate_squad.py --help``."""

from __future__ import annotations

import sys

from src.common.cli import run_command
from src.evaluate.squad_score import main

if __name__ == "__main__":
    sys.exit(run_command(main))
