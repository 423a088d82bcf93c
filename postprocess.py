"""Score what ``ascend310_infer`` answered: ``python postprocess.py --help``."""

import sys

from src.common.cli import run_command
from src.offline.postprocess_command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
