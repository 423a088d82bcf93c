#!/usr/bin/env bash
# Create or mend the project's Python environment; make calls this with the requirements it needs.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

venv="${VENV:-$root/.venv}"
# MB that an environment takes, and MB that its installation takes besides: the packages as they are downloaded, and the
# copies of them that pip keeps. Where pip finds PyPI's build of torch alone, dev and peers take some 5 GB more.
declare -A SIZES=([runtime]="3400 2000" [dev]="4800 2700" [tensorflow]="2000 1000" [peers]="1400 800")

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
             TMPDIR           where pip keeps what it downloads (else /tmp)
             SPACE_CHECK      no installs whatever the free space is; else a disk that is too full is refused
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

# Print MB as GB.
gigabytes() {
    printf '%d.%d GB' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# Set "disk" and "free" to the file system of a folder, which need not exist, and the MB that are free there.
# Fails where that cannot be told.
# $1: the folder
look_at_disk() {
    local folder="$1" kilobytes
    if [[ "$folder" != /* ]]; then
        folder="$PWD/$folder"
    fi
    while [[ -n "$folder" && ! -e "$folder" ]]; do
        folder="${folder%/*}"
    done
    { read -r _ && read -r disk _ _ kilobytes _; } < <(df -Pk -- "${folder:-/}" 2>/dev/null) || return 1
    [[ "$kilobytes" =~ ^[0-9]+$ ]] || return 1
    free=$((kilobytes * 1024 / 1000000))
}

# Leave with an error, before anything is removed or written, where the disks have no room for the installation.
# $1: what is installed; $2: whether what is there of the environment will be removed first (true, false)
check_space() {
    local size extra there=0 disk free venv_disk venv_free temporary="${TMPDIR:-/tmp}"
    read -r size extra <<<"${SIZES[$1]}"
    if [[ "${SPACE_CHECK:-}" == no ]] || ! look_at_disk "$venv"; then
        return
    fi
    venv_disk="$disk" venv_free="$free"
    if [[ -d "$venv" ]]; then
        read -r there _ < <(du -sk -- "$venv/." 2>/dev/null) || true
        there=$((${there:-0} * 1024 / 1000000))
    fi
    if [[ "$2" == true ]]; then
        venv_free=$((venv_free + there))
    else
        # Of what is there nothing is downloaded again.
        there=$((there < size ? there : size))
        extra=$((extra * (size - there) / size)) size=$((size - there))
    fi
    if look_at_disk "$temporary" && [[ "$disk" != "$venv_disk" ]]; then
        refuse_full_disk "$1" "$extra" "$free" "$temporary" TMPDIR
        extra=0
    fi
    refuse_full_disk "$1" $((size + extra)) "$venv_free" "$venv" "$variable"
}

# Leave with an error where a disk is too full.
# $1: what is installed; $2: MB that it needs; $3: MB that are free; $4: the folder; $5: the variable that names another
refuse_full_disk() {
    if (($2 > $3)); then
        error "the installation of $1 needs about $(gigabytes "$2") in $4, and $(gigabytes "$3") are free there" \
            "-> free some space, name a folder of another disk with $5, or go on all the same with SPACE_CHECK=no"
        exit 2
    fi
}

# Make the environment anew.
# $1: what will be installed
rebuild() {
    local python
    python="$(choose_python)"
    if [[ -d "$venv" && ! -e "$venv/pyvenv.cfg" && ! -e "$unfinished" && -n "$(ls -A "$venv")" ]]; then
        error "$venv is not a Python environment and not empty -> move it away, or set VENV"
        return 2
    fi
    check_space "$1" true
    echo "creating $venv with $python ($(version_of "$python"))"
    rm -rf -- "$venv"
    mkdir -p -- "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
}

main() {
    local kind="${1:-}" file=requirements.txt options=() stamps=(.runtime-installed)
    variable=VENV
    case "$kind" in
        runtime) ;;
        dev)
            file=requirements-dev.txt
            stamps+=(.dev-installed)
            ;;
        tensorflow)
            venv="${TENSORFLOW_VENV:-$root/.venv-tf}" variable=TENSORFLOW_VENV
            file=requirements-tensorflow.txt
            options=(--no-deps)
            stamps=(.tensorflow-installed)
            ;;
        peers)
            venv="${PEERS_VENV:-$root/.venv-peers}" variable=PEERS_VENV
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
        rebuild "$kind"
    else
        check_space "$kind" false
    fi
    touch "$unfinished"
    echo "installing $file into $venv (a few minutes and some GB the first time)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${options[@]}" --requirement "$root/$file"
    (cd "$venv" && touch "${stamps[@]}")
    rm -f -- "$unfinished"
}

main "$@"
