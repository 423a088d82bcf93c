"""Turn labelled texts (GLUE, your own tables, CoNLL files) into record files for run_classifier.py, or show one."""

from __future__ import annotations

import sys

from src.common.cli import run_command
from src.data.convert_command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
