"""``python -m src.runtime.doctor``; this file alone must also be read by a Python that is too old for the others."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    # The wrong Python is a finding like any other, and most often the first.
    print("ERROR    Python %d.%d is too old for this project -> use Python 3.10 to 3.12" % sys.version_info[:2])  # noqa: UP031
    raise SystemExit(1)

from src.common.cli import run_command
from src.runtime.doctor.command import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))
