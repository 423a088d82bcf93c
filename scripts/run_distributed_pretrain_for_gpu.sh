#!/usr/bin/env bash
# Another name of run_distributed_pretrain_gpu.sh, under which it was documented too.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/run_distributed_pretrain_gpu.sh" "$@"
