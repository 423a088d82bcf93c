"""Fine-tune and evaluate ALBERT on SQuAD v1.1, and on v2.0 with --version_2_with_negative true.

``python run_squad_v1.py --help`` lists every option; ``task_squad_config.yaml`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Run the task and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.cloud.job import storage_job
    from src.config.load import load_config

    configured = load_config("squad", argv)
    with storage_job(configured, trains=configured.values.do_train) as loaded:
        # Imported after the configuration is known to be right: MindSpore takes seconds to load.
        from src.tasks.driver import run_task
        from src.tasks.squad import SquadTask

        return run_task(lambda group: SquadTask(loaded, group), loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
