#!/usr/bin/env bash
# Pre-train on one CPU.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_standalone_pretrain_cpu.sh EPOCH_SIZE DATA_DIR [SCHEMA_DIR] [OPTIONS OF run_pretrain.py]
Starts run_pretrain.py on one CPU in the background and writes pretraining_log.txt in the current folder; a former
log is kept as pretraining_log.txt.previous.

  EPOCH_SIZE     passes over the data
  DATA_DIR       folder of the TFRecord or MindRecord files
  SCHEMA_DIR     schema.json of the files; without it the columns are inferred
  --foreground   run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_standalone_pretrain_cpu.sh 1 data/pretrain --batch_size 16

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
The options of run_pretrain.py: python run_pretrain.py --help
TEXT
}

take_arguments 2 3 "$@"
pretrain "$root" --device_target CPU
