#!/usr/bin/env bash
# Turn plain text into the records that pre-training reads.
set -euo pipefail

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

project_dir="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"

if [[ $# -eq 0 ]]; then
    usage >&2
    exit 2
fi
if [[ "$1" != -* ]]; then
    usage >&2
    echo "error: '$1' is no option -> give --input and the others by name" >&2
    exit 2
fi

if [[ -z "${PYTHON:-}" ]]; then
    PYTHON="python3"
    if [[ -x "${project_dir}/.venv/bin/python" ]]; then
        PYTHON="${project_dir}/.venv/bin/python"
    fi
fi

# Not "cd": paths in the arguments are relative to the folder of the call.
exec "${PYTHON}" "${project_dir}/create_pretraining_data.py" "$@"
