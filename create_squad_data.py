"""Turn SQuAD json files into records and features for run_squad_v1.py, or show such records."""

from __future__ import annotations

import sys

from src.common.cli import run_command
from src.data.squad_command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
