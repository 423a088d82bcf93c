#!/usr/bin/env bash
# Pre-train in several processes on the CPU.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distributed_pretrain_cpu.sh RANK_SIZE EPOCH_SIZE DATA_DIR [SCHEMA_DIR] [OPTIONS OF run_pretrain.py]
Starts run_pretrain.py in RANK_SIZE processes through launch.py in the background. pretraining_log.txt in the current
folder shows rank 0 and what the launcher says; each process has its own LOG<device>/pretraining_log.txt. Former logs
are kept. See docs/distributed.md.

  RANK_SIZE      number of processes
  EPOCH_SIZE     passes over the data
  DATA_DIR       folder of the TFRecord or MindRecord files
  SCHEMA_DIR     schema.json of the files; without it the columns are inferred
  --foreground   run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_distributed_pretrain_cpu.sh 2 1 data/pretrain --batch_size 8

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
The options of run_pretrain.py: python run_pretrain.py --help
TEXT
}

take_arguments 3 4 "$@"
size="${POSITIONALS[0]}"
POSITIONALS=("${POSITIONALS[@]:1}")
check_number RANK_SIZE "$size" 1
pretrain_distributed "$root" CPU "$size"
