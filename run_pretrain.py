"""Pre-train ALBERT on records of masked text: masked language model and sentence order.

``python run_pretrain.py --help`` lists every option; ``pretrain_config.yaml`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Train and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.cloud.job import storage_job
    from src.config.load import load_config

    with storage_job(load_config("pretrain", argv), trains=True) as loaded:
        # Imported after the configuration is known to be right: MindSpore takes seconds to load.
        from src.tasks.driver import run_task
        from src.tasks.pretrain import PretrainTask

        evaluate = loaded.values.train_with_eval
        return run_task(lambda group: PretrainTask(loaded, group, train=True, evaluate=evaluate), loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
