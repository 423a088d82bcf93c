#!/usr/bin/env bash
# Create or mend the project's Python environment; make calls this with the requirements it needs.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

venv="${VENV:-$root/.venv}"

usage() {
    cat <<'TEXT'
usage: bash scripts/make_environment.sh runtime|dev|tensorflow|peers
  runtime     what the commands need (requirements.txt)
  dev         that and the tools for tests and checks (requirements-dev.txt)
  tensorflow  another environment, with a real TensorFlow to compare with (requirements-tensorflow.txt)
  peers       another environment, with whom make bench measures against (requirements-peers.txt)
environment: PYTHON           the Python to make it from (3.10, 3.11 or 3.12; else the first that fits is taken)
             VENV             where the environment is (else .venv of the project)
             TENSORFLOW_VENV  where the one with TensorFlow is (else .venv-tf of the project)
             PEERS_VENV       where the one of the peers is (else .venv-peers of the project)
TEXT
}

# Print the version of a Python; nothing when it does not run.
version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || true
}

# Whether a Python can run MindSpore 2.10.0; with more arguments, whether it also has these modules.
fits() {
    "$1" -c 'import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' "${@:2}" 2>/dev/null
}

# Print the Python to make the environment from.
choose_python() {
    local candidate version candidates=("${PYTHON:-}") seen=""
    if [[ -z "${PYTHON:-}" ]]; then
        candidates=(python3.11 python3.12 python3.10 python3 python)
    fi
    for candidate in "${candidates[@]}"; do
        if fits "$candidate" venv ensurepip; then
            command -v "$candidate"
            return
        fi
        version="$(version_of "$candidate")"
        if [[ -n "$version" ]]; then
            seen+=" $candidate=$version"
        fi
    done
    error "needs Python 3.10, 3.11 or 3.12 with its venv module (there is no MindSpore 2.10.0 for others)." \
        "Found:${seen:- ${PYTHON:-none}}"
    error "install one (Debian: apt install python3.11-venv) or name one: make PYTHON=/path/to/python3.11 ..."
    return 2
}

# Make the environment anew.
rebuild() {
    local python
    python="$(choose_python)"
    if [[ -d "$venv" && ! -e "$venv/pyvenv.cfg" && ! -e "$unfinished" && -n "$(ls -A "$venv")" ]]; then
        error "$venv is not a Python environment and not empty -> move it away, or set VENV"
        return 2
    fi
    echo "creating $venv with $python ($(version_of "$python"))"
    rm -rf -- "$venv"
    mkdir -p -- "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
}

main() {
    local kind="${1:-}" file=requirements.txt options=() stamps=(.runtime-installed)
    case "$kind" in
        runtime) ;;
        dev)
            file=requirements-dev.txt
            stamps+=(.dev-installed)
            ;;
        tensorflow)
            venv="${TENSORFLOW_VENV:-$root/.venv-tf}"
            file=requirements-tensorflow.txt
            options=(--no-deps)
            stamps=(.tensorflow-installed)
            ;;
        peers)
            venv="${PEERS_VENV:-$root/.venv-peers}"
            file=requirements-peers.txt
            stamps=(.peers-installed)
            ;;
        *)
            usage >&2
            return 2
            ;;
    esac
    # While this file is there the environment is not complete: an interrupted installation is done again from nothing.
    unfinished="$venv/.installing"
    if [[ -e "$unfinished" ]] || ! fits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        rebuild
    fi
    touch "$unfinished"
    echo "installing $file into $venv (a few minutes and some GB the first time)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${options[@]}" --requirement "$root/$file"
    (cd "$venv" && touch "${stamps[@]}")
    rm -f -- "$unfinished"
}

main "$@"
