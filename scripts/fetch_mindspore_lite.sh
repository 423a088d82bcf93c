#!/usr/bin/env bash
# Download the CPU build of MindSpore Lite that ascend310_infer is built and tested with where there is no Ascend.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

# The only MindSpore Lite on PyPI. The wheel is for Python 3.7; headers and C++ libraries do not need that.
version=2.0.0
sha256=199cd0605cc985b88eddb273db9dfe9000a585ba10ca2292b6b36ebfff07b3ec

usage() {
    cat <<TEXT
usage: bash scripts/fetch_mindspore_lite.sh [DIR]
Downloads the wheel of mindspore-lite $version from PyPI (169 MB), checks its sha256 and unpacks it (480 MB) into
DIR/mindspore_lite-$version; does nothing where that is done. The only line on standard output is that folder:

  export LITE_HOME="\$(bash scripts/fetch_mindspore_lite.sh)"

  DIR  default: .lite of the project, where build.sh and the tests look when LITE_HOME is not set

environment: PYTHON  the Python whose pip downloads (else .venv/bin/python of the project, else python3)
Only for x86_64 Linux. For an Ascend take the tarball of MindSpore Lite instead: see docs/ascend310.md.
TEXT
}

# Download and unpack into a folder that is there only when it is complete.
# $1: where to work, on the same file system; $2: the folder
fetch() {
    local work="$1" target="$2" python wheel found
    python="$(project_python "$root")"
    check_python "$python"
    echo "downloading mindspore-lite $version (169 MB)" >&2
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --python-version 3.7 \
        --implementation cp --abi cp37m --platform manylinux1_x86_64 --only-binary=:all: --dest "$work" \
        "mindspore-lite==$version" >&2; then
        error "mindspore-lite $version cannot be downloaded -> check the connection to PyPI"
        return 2
    fi
    wheel="$(find "$work" -name '*.whl')"
    found="$(sha256sum -- "$wheel")"
    if [[ "${found%% *}" != "$sha256" ]]; then
        error "$(basename -- "$wheel") is not the file that is expected: its sha256 is ${found%% *} -> try again"
        return 2
    fi
    mkdir -- "$work/unpacked"
    "$python" -m zipfile -e "$wheel" "$work/unpacked"
    touch -- "$work/unpacked/.complete"
    # What an interrupted run of an older script may have left.
    rm -rf -- "$target"
    mv -- "$work/unpacked" "$target"
}

main() {
    if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
        usage
        return
    fi
    if [[ $# -gt 1 || "${1:-}" == -* ]]; then
        usage >&2
        return 2
    fi
    local folder="${1:-$root/.lite}" target
    if ! mkdir -p -- "$folder"; then
        error "$folder: the folder cannot be made -> name another"
        return 2
    fi
    folder="$(cd -- "$folder" && pwd)"
    target="$folder/mindspore_lite-$version"
    if [[ ! -e "$target/.complete" ]]; then
        work="$(mktemp -d -- "$folder/.download-XXXXXX")"
        trap 'rm -rf -- "$work"' EXIT
        fetch "$work" "$target"
    fi
    echo "$target"
}

main "$@"
