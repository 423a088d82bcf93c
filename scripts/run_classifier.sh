#!/usr/bin/env bash
# Fine-tune and evaluate on a classification, regression or token-classification task.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_classifier.sh [--foreground] OPTIONS OF run_classifier.py
Starts run_classifier.py in the background and writes classifier_log.txt in the current folder; a former log is kept
as classifier_log.txt.previous. (The log was once documented as classfier_log.txt.)

  --foreground   run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_classifier.sh --config_path task_classifier_config.yaml --do_train true --do_eval true \
      --train_data_file_path data/sst-2_train.mindrecord --eval_data_file_path data/sst-2_dev.mindrecord \
      --load_pretrain_checkpoint_path albert_base.ckpt

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
The options of run_classifier.py: python run_classifier.py --help
TEXT
}

finetune "$root" run_classifier.py classifier_log.txt "$@"
