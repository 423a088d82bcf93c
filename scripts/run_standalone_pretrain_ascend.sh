#!/usr/bin/env bash
# Pre-train on one Ascend device.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_standalone_pretrain_ascend.sh DEVICE_ID EPOCH_SIZE DATA_DIR [SCHEMA_DIR] [OPTIONS OF run_pretrain.py]
Starts run_pretrain.py on one Ascend device in the background and writes pretraining_log.txt in the current folder; a former
log is kept as pretraining_log.txt.previous.

  DEVICE_ID      number of the device
  EPOCH_SIZE     passes over the data
  DATA_DIR       folder of the TFRecord or MindRecord files
  SCHEMA_DIR     schema.json of the files; without it the columns are inferred
  --foreground   run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_standalone_pretrain_ascend.sh 0 1 data/pretrain --batch_size 64

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
The options of run_pretrain.py: python run_pretrain.py --help
TEXT
}

take_arguments 3 4 "$@"
device="${POSITIONALS[0]}"
POSITIONALS=("${POSITIONALS[@]:1}")
check_number DEVICE_ID "$device" 0
export_log_variables
pretrain "$root" --device_target Ascend --device_id "$device"
