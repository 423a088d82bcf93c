#!/usr/bin/env bash
# Build ascend310_infer against MindSpore Lite.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

usage() {
    cat <<'TEXT'
usage: bash ascend310_infer/build.sh [--sanitize] [--output_dir DIR]
Builds ascend310_infer/out/ascend310_infer with cmake and a C++17 compiler. Nothing is downloaded.

  --sanitize        with the address and undefined-behaviour sanitizers, into out/sanitize: for tests, slower
  --output_dir DIR  build into DIR instead

environment: LITE_HOME  the unpacked MindSpore Lite: its tarball (runtime/include and runtime/lib/libmindspore-lite.so),
                        or the wheel of PyPI (mindspore_lite/include and mindspore_lite/lib); else the one that
                        scripts/fetch_mindspore_lite.sh has put into .lite
             CXX        the compiler
             JOBS       how many files are compiled at the same time (default: number of processors)
TEXT
}

# Print an error and leave.
fail() {
    echo "error: $*" >&2
    exit 2
}

# Take the command line apart into "output" and "sanitize".
take_options() {
    output="" sanitize=OFF
    while [[ $# -gt 0 ]]; do
        case "$1" in
            --sanitize) sanitize=ON ;;
            --output_dir=?*) output="${1#*=}" ;;
            --output_dir)
                [[ -n "${2:-}" ]] || fail "--output_dir has no value -> see --help"
                output="$2"
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) fail "unknown option '$1' -> see --help" ;;
        esac
        shift
    done
    if [[ -z "$output" ]]; then
        output="$here/out"
        [[ "$sanitize" == OFF ]] || output+="/sanitize"
    fi
}

# Set "lite" to MindSpore Lite, and leave with what is missing when it is not complete.
find_lite() {
    local fetched="$here/../.lite/mindspore_lite-2.0.0" part
    lite="${LITE_HOME:-}"
    if [[ -z "$lite" && -e "$fetched/.complete" ]]; then
        lite="$(cd "$fetched" && pwd)"
        echo "LITE_HOME is not set: taking $lite"
    fi
    [[ -n "$lite" ]] || fail "LITE_HOME is not set -> unpack the tarball of MindSpore Lite and name its folder;" \
        "for the CPU: export LITE_HOME=\"\$(bash scripts/fetch_mindspore_lite.sh)\""
    [[ -d "$lite" ]] || fail "LITE_HOME $lite is no folder -> name the folder of the unpacked MindSpore Lite"
    lite="$(cd "$lite" && pwd)"
    for part in runtime . mindspore_lite; do
        if [[ -e "$lite/$part/include/api/model.h" ]]; then
            if compgen -G "$lite/$part/lib/libmindspore-lite.so" >/dev/null ||
                compgen -G "$lite/$part/lib/libmindspore-extendrt_python.so" >/dev/null; then
                return
            fi
            fail "LITE_HOME $lite has headers, and neither $part/lib/libmindspore-lite.so nor" \
                "$part/lib/libmindspore-extendrt_python.so -> unpack MindSpore Lite again"
        fi
    done
    fail "LITE_HOME $lite has no include/api/model.h, neither in itself nor in runtime or mindspore_lite" \
        "-> name the folder of the unpacked MindSpore Lite"
}

# Leave when a tool for the build is missing.
check_tools() {
    command -v cmake >/dev/null || fail "cmake is missing -> install it (Debian: apt install cmake make g++)"
    command -v make >/dev/null || fail "make is missing -> install it (Debian: apt install make)"
    if [[ -n "${CXX:-}" ]]; then
        command -v "$CXX" >/dev/null || fail "CXX: $CXX is no program -> name a C++17 compiler"
    elif ! command -v c++ >/dev/null && ! command -v g++ >/dev/null && ! command -v clang++ >/dev/null; then
        fail "a C++17 compiler is missing -> install one (Debian: apt install g++)"
    fi
}

take_options "$@"
check_tools
find_lite
mkdir -p -- "$output/build" || fail "$output: the folder cannot be made -> choose another --output_dir"
# Another Lite than last time must not be mixed with what is remembered of that one.
if [[ "$(cat "$output/build/lite_home" 2>/dev/null)" != "$lite" ]]; then
    rm -rf -- "$output/build/CMakeCache.txt" "$output/build/CMakeFiles"
fi
cmake -S "$here" -B "$output/build" -G "Unix Makefiles" -DLITE_HOME="$lite" -DSANITIZE="$sanitize" ||
    fail "cmake failed -> see its message above"
echo "$lite" >"$output/build/lite_home"
cmake --build "$output/build" --parallel "${JOBS:-$(nproc)}" || fail "the build failed -> see the messages above"
cp -f -- "$output/build/ascend310_infer" "$output/ascend310_infer.new"
mv -f -- "$output/ascend310_infer.new" "$output/ascend310_infer"
echo "built $output/ascend310_infer"
