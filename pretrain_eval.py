"""Score a pre-trained checkpoint on held-out records: losses, accuracies and perplexity of both heads.

``python pretrain_eval.py --eval_ckpt CHECKPOINT --eval_data_dir FOLDER``; other options as ``run_pretrain.py``.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Score and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.cloud.job import storage_job
    from src.config.load import load_config

    with storage_job(load_config("pretrain", argv)) as loaded:
        # Imported after the configuration is known to be right: MindSpore takes seconds to load.
        from src.tasks.pretrain_command import run_evaluation

        return run_evaluation(loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
