"""The command ``launch.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from src.common.files import make_directory, output_error
from src.runtime.launch.options import LaunchOptions, parse_options
from src.runtime.launch.plan import LaunchPlan, make_plan, told_options
from src.runtime.launch.supervisor import Supervisor


def main(argv: Sequence[str]) -> int:
    """Start the processes, look after them, and return the exit status of the job."""
    options = parse_options(argv)
    if options.answered_by_one:
        return _ask_entry(options)
    plan = make_plan(options)
    if options.dry_run:
        processes = [*filter(None, [plan.scheduler]), *plan.ranks]
        print("\n\n".join(process.as_text() for process in processes))
        return 0
    _prepare_logs(plan)
    return Supervisor(plan, options).run()


def _ask_entry(options: LaunchOptions) -> int:
    """Let the entry script show its help or its configuration in one process."""
    size = options.nodes * max(1, options.device_num)
    command = [sys.executable, str(options.entry), *options.arguments, *told_options(options, size)]
    return subprocess.run(command, check=False).returncode


def _prepare_logs(plan: LaunchPlan) -> None:
    """Make the folders of the logs before anything is started.

    Raises:
        OutputError: That cannot be done.
    """
    for folder in {plan.log_dir, *(rank.log.parent for rank in plan.ranks)}:
        make_directory(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise output_error(PermissionError(13, "Permission denied"), folder)
