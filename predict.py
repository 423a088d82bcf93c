"""Predict on raw text with a run or an exported model, once or over HTTP: see ``python predict.py --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Run ``predict.py``; return its exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.predict.command import answer
    from src.predict.options import make_parser
    from src.serve.command import serve
    from src.serve.options import SERVE, add_serve

    options = make_parser(add_serve).parse(argv)
    return serve(options) if options.command == SERVE else answer(options)


if __name__ == "__main__":
    sys.exit(run_command(main))
