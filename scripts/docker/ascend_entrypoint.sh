#!/usr/bin/env bash
# Set the variables of CANN and of the driver, then run a command: the entry point of the Ascend image.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/docker/ascend_entrypoint.sh COMMAND [ARGUMENTS ...]
Sources set_env.sh of CANN, adds the libraries of the driver, and runs the command in place of this shell.
environment: ASCEND_ROOT  where CANN and the driver are (else /usr/local/Ascend)
TEXT
}

# Print the set_env.sh of the CANN in a folder.
# $1: the folder
find_set_env() {
    local file
    for file in "$1"/ascend-toolkit/set_env.sh "$1"/cann/set_env.sh; do
        if [[ -r "$file" ]]; then
            echo "$file"
            return
        fi
    done
    error "no set_env.sh of CANN in $1 -> use a base image with CANN, or set ASCEND_ROOT"
    return 2
}

if [[ $# -eq 0 ]]; then
    usage >&2
    exit 2
fi
ascend="${ASCEND_ROOT:-/usr/local/Ascend}"
script="$(find_set_env "$ascend")"
driver="$ascend/driver/lib64"
export LD_LIBRARY_PATH="$driver/common:$driver/driver:${LD_LIBRARY_PATH:-}"
# The script reads variables that may not be set, and commands in it may fail.
set +eu
# shellcheck source=/dev/null
source "$script"
set -eu
exec "$@"
