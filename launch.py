"""Start an entry script in several processes that train together, and look after them.

``python launch.py --device_num 2 run_pretrain.py --data_dir data`` starts two processes on the CPU;
``python launch.py --help`` lists every option, ``docs/distributed.md`` explains them.
"""

import sys

from src.common.cli import run_command
from src.runtime.launch.command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
