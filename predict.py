"""Predict on raw text: ``classify`` and ``qa`` with a fine-tuned ALBERT, ``fill-mask`` with a pre-trained one."""

import sys

from src.common.cli import run_command
from src.predict.command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
