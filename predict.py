"""Predict on raw text with a fine-tuned ALBERT: ``python predict.py classify --run_dir RUN "a text"``."""

import sys

from src.common.cli import run_command
from src.tasks.predict_command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
