#!/usr/bin/env bash
# Fine-tune and evaluate on SQuAD, on all Ascend devices of a rank table.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distributed_squad_ascend.sh RANK_TABLE_FILE [OPTIONS OF run_squad_v1.py]
Starts run_squad_v1.py through launch.py on each device that the rank table lists for this machine, in the
background. squad_log.txt in the current folder shows rank 0 and what the launcher says; each process has its own
LOG<device>/squad_log.txt. Former logs are kept. See docs/distributed.md.

  RANK_TABLE_FILE  hccl.json, as hccl_tools.py makes it
  --foreground     run in this terminal instead, wait, and return the exit status

example:
  bash scripts/run_distributed_squad_ascend.sh hccl.json --do_train true --do_eval true \
      --train_data_file_path data/squad_v1.1_train.mindrecord --eval_json_path data/dev-v1.1.json \
      --spm_model_file albert_base/30k-clean.model --load_pretrain_checkpoint_path albert_base.ckpt

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             HCCL_CONNECT_TIMEOUT            seconds that processes wait for each other, else 600
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
The options of run_squad_v1.py: python run_squad_v1.py --help
TEXT
}

take_arguments 1 1 "$@"
finetune_distributed_ascend "$root" run_squad_v1.py squad_log.txt
