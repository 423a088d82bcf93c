#!/usr/bin/env bash
# Convert a classification, regression or token classification data set into MindRecord or TFRecord files.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/convert_finetune_datasets_classifier.sh --task_name NAME --input_dir DIR --output_dir DIR
           (--spm_model_file FILE | --vocab_path FILE) [option ...]

Converts DIR/<TASK>/{train,dev,test}.tsv of GLUE to <output_dir>/<task>_{train,dev,test}.mindrecord. Tasks: CoLA, SST-2,
MRPC, STS-B, QQP, MNLI, MNLI-mm, QNLI, RTE, WNLI, AX. Every option of create_finetuning_data.py may be given, your own
data (--train_file, --dev_file, --test_file) among them; --help lists them all.

example:
  bash scripts/convert_finetune_datasets_classifier.sh --task_name SST-2 --input_dir glue --output_dir data \
      --spm_model_file albert_base/30k-clean.model

PYTHON names the Python to use; without it .venv/bin/python of this project is taken, or python3.
TEXT
}

pass_options "$root" create_finetuning_data.py --task_name "$@"
