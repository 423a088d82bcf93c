#!/usr/bin/env bash
# Fine-tune and evaluate on a classification, regression or token-classification task, on all Ascend devices of a rank
# table.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    usage_distributed_ascend run_distributed_classifier_ascend.sh run_classifier.py classifier_log.txt \
        '--train_data_file_path data/sst-2_train.mindrecord --eval_data_file_path data/sst-2_dev.mindrecord' \
        '--load_pretrain_checkpoint_path albert_base.ckpt'
}

take_arguments 1 1 "$@"
finetune_distributed_ascend "$root" run_classifier.py classifier_log.txt
