"""Fine-tune and evaluate ALBERT on classification, regression and token classification.

``python run_classifier.py --help`` lists every option; ``task_classifier_config.yaml`` explains them.
"""

import sys
from collections.abc import Sequence

from src.common.cli import run_command


def main(argv: Sequence[str]) -> int:
    """Run the task and return the exit status."""
    # Imported here, where Ctrl-C ends in a word and not in a traceback.
    from src.cloud.job import storage_job
    from src.config.classifier_paths import with_paths
    from src.config.load import load_config

    configured = load_config("classifier", argv)
    exports = configured.values.mode == "export_only"
    with storage_job(configured, trains=configured.values.do_train, exports=exports) as fetched:
        loaded = with_paths(fetched)
        if exports:
            from src.export.plan import make_plan

            plan = make_plan(loaded)
            from src.export.command import run_export

            return run_export(loaded, plan)
        # Imported after the configuration is known to be right: MindSpore takes seconds to load.
        from src.tasks.classifier import ClassifierTask
        from src.tasks.driver import run_task

        return run_task(lambda group: ClassifierTask(loaded, group), loaded)


if __name__ == "__main__":
    sys.exit(run_command(main))
