#!/usr/bin/env bash
# Turn plain text into the records that pre-training reads.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/create_pretraining_data.sh --input FILE ... --output_dir DIR
           (--spm_model_file FILE | --vocab_file FILE) [option ...]

Writes <output_dir>/pretrain-00000.tfrecord, ... with schema.json and a manifest. The text is a sentence or a paragraph a
line with blank lines between documents, or the output of WikiExtractor; files, folders and quoted patterns, .gz too.
Every option of create_pretraining_data.py may be given; --help lists them all.

examples:
  bash scripts/create_pretraining_data.sh --input 'corpus/*.txt.gz' --output_dir data \
      --spm_model_file albert_base/30k-clean.model --max_seq_length 128
  one of four machines, also after it was stopped:
  bash scripts/create_pretraining_data.sh --input corpus --output_dir data --spm_model_file 30k-clean.model \
      --shard_index 2 --num_shards 4 --resume true

PYTHON names the Python to use; without it .venv/bin/python of this project is taken, or python3.
TEXT
}

pass_options "$root" create_pretraining_data.py --input "$@"
