"""Start an entry script in several processes that train together, and look after them.

``python launch.py --device_num 2 run_pretrain.py --data_dir data`` starts two processes on the CPU;
``python launch.py --help`` lists every option, ``docs/distributed.md`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Run the command and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.runtime.launch.command import main as command

    return command(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
