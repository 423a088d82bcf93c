#!/usr/bin/env bash
# Fine-tune and evaluate on a classification, regression or token-classification task, on all Ascend devices of a rank
# table.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distributed_classifier_ascend.sh RANK_TABLE_FILE [OPTIONS OF run_classifier.py]
Starts run_classifier.py through launch.py on each device that the rank table lists for this machine, in the
background. classifier_log.txt in the current folder shows rank 0 and what the launcher says; each process has its own
LOG<device>/classifier_log.txt. Former logs are kept. See docs/distributed.md.

  RANK_TABLE_FILE  hccl.json, as hccl_tools.py makes it
  --foreground     run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_distributed_classifier_ascend.sh hccl.json --do_train true --do_eval true \
      --train_data_file_path data/sst-2_train.mindrecord --eval_data_file_path data/sst-2_dev.mindrecord \
      --load_pretrain_checkpoint_path albert_base.ckpt

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             HCCL_CONNECT_TIMEOUT            seconds that processes wait for each other, else 600
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
The options of run_classifier.py: python run_classifier.py --help
TEXT
}

take_arguments 1 1 "$@"
finetune_distributed_ascend "$root" run_classifier.py classifier_log.txt
