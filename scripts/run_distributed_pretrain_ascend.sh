#!/usr/bin/env bash
# Pre-train on all Ascend devices of a rank table.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distributed_pretrain_ascend.sh DATA_DIR RANK_TABLE_FILE [OPTIONS OF run_pretrain.py]
Writes distributed_cmd.sh, which starts run_pretrain.py on each device that the rank table lists for this machine, and
runs it in the background. pretraining_log.txt in the current folder shows rank 0 and what the launcher says; each
process has its own LOG<device>/pretraining_log.txt. Former logs are kept. See docs/distributed.md.

  DATA_DIR         folder of the TFRecord or MindRecord files
  RANK_TABLE_FILE  hccl.json, as hccl_tools.py makes it
  --dry_run        print environment and command of each process, write and start nothing
  --foreground     run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_distributed_pretrain_ascend.sh data/pretrain hccl.json --epoch_size 1

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             HCCL_CONNECT_TIMEOUT            seconds that processes wait for each other, else 600
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
More options: scripts/ascend_distributed_launcher/hyper_parameter_config.ini
TEXT
}

take_arguments 2 2 "$@"
python="$(project_python "$root")"
check_python "$python" "${PACKAGES[@]}" || exit
export_log_variables
foreground=false
dry_run=false
options=()
for word in ${OPTIONS[@]+"${OPTIONS[@]}"}; do
    if [[ "$word" == --foreground ]]; then
        foreground=true
        continue
    fi
    if [[ "$word" == --dry_run ]]; then
        dry_run=true
    fi
    options+=("$word")
done
launcher="$root/scripts/ascend_distributed_launcher"
"$python" "$launcher/get_distribute_pretrain_cmd.py" --run_script_dir="$root" \
    --hyper_parameter_config_dir="$launcher/hyper_parameter_config.ini" --data_dir="${POSITIONALS[0]}" \
    --hccl_config_dir="${POSITIONALS[1]}" --hccl_time_out="${HCCL_CONNECT_TIMEOUT:-600}" \
    --hccn_config_file=/etc/hccn.conf --cmd_file=distributed_cmd.sh ${options[@]+"${options[@]}"}
if [[ "$dry_run" == false ]]; then
    run "$foreground" pretraining_log.txt distributed_cmd.sh bash distributed_cmd.sh
fi
