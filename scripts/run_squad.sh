#!/usr/bin/env bash
# Fine-tune and evaluate on SQuAD v1.1 or v2.0.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_squad.sh [--foreground] OPTIONS OF run_squad_v1.py
Starts run_squad_v1.py in the background and writes squad_log.txt in the current folder; a former log is kept as
squad_log.txt.previous. The last line before the exit status is {"exact_match": ..., "f1": ...}.

  --foreground   run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_squad.sh --do_train true --do_eval true \
      --train_data_file_path data/squad_v1.1_train.mindrecord --eval_json_path data/dev-v1.1.json \
      --spm_model_file albert_base/30k-clean.model --load_pretrain_checkpoint_path albert_base.ckpt

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
The options of run_squad_v1.py: python run_squad_v1.py --help
TEXT
}

finetune "$root" run_squad_v1.py squad_log.txt "$@"
