"""What every command of this project shares: exit statuses and one-line errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from src.common.errors import AlbertError
from src.common.files import output_error

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def run_command(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run ``main`` and turn a user's mistake into one line on stderr and exit status 2.

    Args:
        main: Takes the arguments after the program's name, returns the exit status.
        argv: Those arguments; ``None`` takes them from ``sys.argv``.
    """
    try:
        return main(sys.argv[1:] if argv is None else argv)
    except AlbertError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except BrokenPipeError:
        # The reader (head, less) went away: not our failure, and stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = Path(str(error.filename)) if error.filename else Path(".")
        print(f"error: {output_error(error, where)}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
