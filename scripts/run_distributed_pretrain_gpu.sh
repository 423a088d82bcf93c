#!/usr/bin/env bash
# Pre-train on several GPUs of this machine.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distributed_pretrain_gpu.sh RANK_SIZE EPOCH_SIZE DATA_DIR [SCHEMA_DIR] [--mpirun] [OPTIONS ...]
       bash scripts/run_distributed_pretrain_gpu.sh DATA_DIR [--mpirun] [OPTIONS ...]
Starts run_pretrain.py on RANK_SIZE GPUs, or on all that nvidia-smi lists, through launch.py in the background.
pretraining_log.txt in the current folder shows rank 0 and what the launcher says; each process has its own
LOG<device>/pretraining_log.txt. Former logs are kept. See docs/distributed.md.

  RANK_SIZE      number of processes, one per GPU
  EPOCH_SIZE     passes over the data
  DATA_DIR       folder of the TFRecord or MindRecord files
  SCHEMA_DIR     schema.json of the files; without it the columns are inferred
  --mpirun       start with mpirun instead of launch.py; the logs of the processes are then below log_output
  --foreground   run in this terminal instead, wait, and return the exit status
  OPTIONS        options of run_pretrain.py

example:
  bash scripts/run_distributed_pretrain_gpu.sh 8 1 data/pretrain --batch_size 32

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
             CUDA_VISIBLE_DEVICES            the GPUs to use
The options of run_pretrain.py: python run_pretrain.py --help
TEXT
}

# Print how many GPUs there are to use.
count_gpus() {
    local listed
    if [[ -n "${CUDA_VISIBLE_DEVICES:-}" ]]; then
        tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -c .
        return
    fi
    if ! listed="$(nvidia-smi -L)"; then
        error "nvidia-smi lists no GPUs -> say how many: RANK_SIZE EPOCH_SIZE DATA_DIR"
        return 2
    fi
    grep -c '^GPU ' <<<"$listed" || {
        error "nvidia-smi lists no GPUs -> say how many: RANK_SIZE EPOCH_SIZE DATA_DIR"
        return 2
    }
}

# Take --mpirun out of the options.
mpirun=false
words=()
for word in "$@"; do
    if [[ "$word" == --mpirun ]]; then
        mpirun=true
    else
        words+=("$word")
    fi
done
take_arguments 1 4 ${words[@]+"${words[@]}"}
if ((${#POSITIONALS[@]} == 2)); then
    usage >&2
    error "two words before the options: ${POSITIONALS[*]} -> give DATA_DIR alone, or RANK_SIZE EPOCH_SIZE DATA_DIR"
    exit 2
fi
if ((${#POSITIONALS[@]} == 1)); then
    size="$(count_gpus)" || exit
else
    size="${POSITIONALS[0]}"
    POSITIONALS=("${POSITIONALS[@]:1}")
fi
check_number RANK_SIZE "$size" 1
export_log_variables
if [[ "$mpirun" == false ]]; then
    pretrain_distributed "$root" GPU "$size"
    exit
fi
if ! command -v mpirun >/dev/null; then
    error "mpirun: no such program -> install Open MPI, or leave --mpirun out"
    exit 2
fi
# shellcheck disable=SC2034  # read by launch of common.sh
PREFIX=(mpirun --allow-run-as-root -n "$size" --output-filename log_output --merge-stderr-to-stdout)
pretrain "$root" --distribute true --device_num "$size" --device_target GPU
