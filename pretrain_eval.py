"""Score a pre-trained checkpoint on held-out records: losses, accuracies and perplexity of both heads.

``python pretrain_eval.py --eval_ckpt CHECKPOINT --eval_data_dir FOLDER``; other options as ``run_pretrain.py``.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command
from src.config.load import load_config


def main(argv: Sequence[str]) -> int:
    """Score and return the exit status."""
    loaded = load_config("pretrain", argv)
    # Imported after the configuration is known to be right: MindSpore takes seconds to load.
    from src.tasks.pretrain_command import run_evaluation

    return run_evaluation(loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
