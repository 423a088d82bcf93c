#!/usr/bin/env bash
# Fine-tune ALBERT V2 on one device with the documented recipe, and evaluate it.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"
# shellcheck source=scripts/albert_v2.sh
source "$root/scripts/albert_v2.sh"

usage() {
    usage_albert_v2 train_albert_v2_full_1p.sh \
        "Fine-tunes ALBERT V2 on MNLI with configs/mnli_v2_<size>.yaml on one device, and evaluates every row." ""
}

train_albert_v2 "$root" full "$@"
