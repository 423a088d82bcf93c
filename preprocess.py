"""Write the rows of an evaluation as raw files for ``ascend310_infer``: ``python preprocess.py --help``."""

import sys

from src.common.cli import run_command
from src.offline.preprocess_command import main

if __name__ == "__main__":
    sys.exit(run_command(main))
