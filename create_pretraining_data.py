"""Turn plain text into the records that pre-training reads: ``python create_pretraining_data.py --help``."""

from __future__ import annotations

import sys

from src.common.cli import run_command
from src.data.pretraining.command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
