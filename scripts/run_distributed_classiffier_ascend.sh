#!/usr/bin/env bash
# Another name of run_distributed_classifier_ascend.sh, as it was once documented.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/run_distributed_classifier_ascend.sh" "$@"
