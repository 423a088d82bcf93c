"""Train an ALBERT vocabulary on text files: ``python train_vocabulary.py --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Train the vocabulary that the arguments describe and print a summary."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.data.vocabulary import train_vocabulary
    from src.data.vocabulary_options import parse_options

    options = parse_options(argv)
    vocabulary = train_vocabulary(options.inputs, options.output_prefix, options.settings, overwrite=options.overwrite)
    print(vocabulary.summary())
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
