#!/usr/bin/env bash
# Fine-tune and evaluate on SQuAD, on all Ascend devices of a rank table.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    usage_distributed_ascend run_distributed_squad_ascend.sh run_squad_v1.py squad_log.txt \
        '--train_data_file_path data/squad_v1.1_train.mindrecord --eval_json_path data/dev-v1.1.json' \
        '--spm_model_file albert_base/30k-clean.model --load_pretrain_checkpoint_path albert_base.ckpt'
}

take_arguments 1 1 "$@"
finetune_distributed_ascend "$root" run_squad_v1.py squad_log.txt
