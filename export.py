"""Export a trained network as MindIR, ONNX or AIR, with a description beside it, and check what was written.

``python export.py --help`` lists every option; ``docs/export.md`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command
from src.config.export_config import load_export_config
from src.export.plan import make_plan


def main(argv: Sequence[str]) -> int:
    """Export and return the exit status."""
    loaded = load_export_config(argv)
    plan = make_plan(loaded)
    # Imported after the configuration is known to be right: MindSpore takes seconds to load.
    from src.export.command import run_export

    return run_export(loaded, plan)


if __name__ == "__main__":
    sys.exit(run_command(main))
