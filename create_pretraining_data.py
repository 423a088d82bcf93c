"""Turn plain text into the records that pre-training reads: ``python create_pretraining_data.py --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Run the command and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.data.pretraining.command import main as command

    return command(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
