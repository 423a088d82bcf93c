"""What every command of this project shares: exit statuses and one-line errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence

from src.common.errors import AlbertError, OutputError
from src.common.interrupts import EXIT_INTERRUPTED, ended_in_a_word

EXIT_USER_ERROR = 2
# A module of the project itself that is not there is no matter of the environment.
_OWN_PACKAGES = ("src", "convert_tf_ckpt")


def run_command(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run ``main`` and turn a user's mistake into one line on stderr and exit status 2.

    Entry scripts import what they need inside ``main``: here Ctrl-C ends an import in a word.

    Args:
        main: Takes the arguments after the program's name, returns the exit status.
        argv: Those arguments; ``None`` takes them from ``sys.argv``.
    """
    status = _run_with_clear_errors(main, sys.argv[1:] if argv is None else argv)
    from src.common import heartbeat

    heartbeat.done(status)
    return status


def _run_with_clear_errors(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    try:
        return _run_and_flush(main, argv)
    except AlbertError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OWN_PACKAGES:
            raise
        fix = "run 'make quickstart' once, and take the Python of its environment, .venv/bin/python"
        return _fail(AlbertError(f"this Python lacks the package {error.name}", sys.executable, fix))
    except BrokenPipeError:
        # The reader (head, less) went away: not our failure, and stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(_system_error(error))
    except UnicodeEncodeError as error:
        text = error.object[error.start : error.end]
        what = f"the text {text!a} cannot be written in the encoding {error.encoding}"
        return _fail(OutputError(what, "output", "use UTF-8 for names and texts, and PYTHONIOENCODING=utf-8"))
    except MemoryError as error:
        fix = "use smaller batches, shorter sequences or less data, or a machine with more memory"
        return _fail(AlbertError("there is not enough memory", str(error), fix))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run_and_flush(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run ``main`` and flush stdout here, where a reader that has left is expected, and not at the end of Python."""
    try:
        with ended_in_a_word():
            status = main(argv)
    except SystemExit:  # --help and --print_config end this way
        _flush()
        raise
    _flush()
    return status


def _system_error(error: OSError) -> AlbertError:
    """Return the clear error for a failed read or write that no other place has explained."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("no space left on the device", where, "free some space or choose another place")
    return AlbertError(error.strerror or str(error), where, "check the path and its permissions")


def _flush() -> None:
    """Flush stdout, which is ``None`` where the caller has closed it."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _fail(error: AlbertError) -> int:
    """Print an error and return the exit status that goes with it."""
    print(f"error: {error}", file=sys.stderr, flush=True)
    return EXIT_USER_ERROR
