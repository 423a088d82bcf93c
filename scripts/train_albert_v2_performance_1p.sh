#!/usr/bin/env bash
# Train ALBERT V2 on one device for a fixed number of steps, and report its throughput.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"
# shellcheck source=scripts/albert_v2.sh
source "$root/scripts/albert_v2.sh"

usage() {
    usage_albert_v2 train_albert_v2_performance_1p.sh \
        "Trains with configs/mnli_v2_<size>.yaml on one device for some steps, without evaluation, and reports the
throughput once it is warm: from the second step on." \
        "    --train_steps        steps, default is 1000
"
}

train_albert_v2 "$root" performance "$@"
