"""Export a trained network as MindIR, ONNX or AIR, with a description beside it, and check what was written.

``python export.py --help`` lists every option; ``docs/export.md`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Export and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.cloud.job import storage_job
    from src.config.export_config import load_export_config
    from src.export.plan import make_plan

    with storage_job(load_export_config(argv), exports=True) as loaded:
        plan = make_plan(loaded)
        # Imported after the configuration is known to be right: MindSpore takes seconds to load.
        from src.export.command import run_export

        return run_export(loaded, plan)


if __name__ == "__main__":
    sys.exit(run_command(main))
