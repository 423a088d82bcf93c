#!/usr/bin/env bash
# Convert SQuAD json files, v1.1 or v2.0, into MindRecord or TFRecord files and evaluation features.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/convert_finetune_datasets_squad.sh --train_file FILE [--eval_file FILE] --output_dir DIR
           (--spm_model_file FILE | --vocab_path FILE) [option ...]

Converts train-v1.1.json or train-v2.0.json to <output_dir>/squad_v{1.1,2.0}_train.mindrecord, and makes the features of
dev-v1.1.json or dev-v2.0.json. Defaults: 384 tokens a record, 64 of a question, windows 128 tokens apart. Every option
of create_squad_data.py may be given; --help lists them all.

example:
  bash scripts/convert_finetune_datasets_squad.sh --train_file train-v1.1.json --eval_file dev-v1.1.json \
      --output_dir data --spm_model_file albert_base/30k-clean.model

PYTHON names the Python to use; without it .venv/bin/python of this project is taken, or python3.
TEXT
}

pass_options "$root" create_squad_data.py --train_file "$@"
