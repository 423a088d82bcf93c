"""Fine-tune and evaluate ALBERT on classification, regression and token classification.

``python run_classifier.py --help`` lists every option; ``task_classifier_config.yaml`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command
from src.config.load import load_config


def main(argv: Sequence[str]) -> int:
    """Run the task and return the exit status."""
    loaded = load_config("classifier", argv)
    # Imported after the configuration is known to be right: MindSpore takes seconds to load.
    from src.tasks.classifier import ClassifierTask
    from src.tasks.driver import run_task

    return run_task(lambda group: ClassifierTask(loaded, group), loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
