# shellcheck shell=bash
# Helpers that the launchers source. They change no directory: paths on the command line belong to the caller's folder.

# Print an error on stderr.
error() {
    echo "error: $*" >&2
}

# Print the Python to run with: $PYTHON, else the project's environment, else python3.
# $1: root of the project
project_python() {
    if [[ -n "${PYTHON:-}" ]]; then
        echo "$PYTHON"
    elif [[ -x "$1/.venv/bin/python" ]]; then
        echo "$1/.venv/bin/python"
    else
        echo python3
    fi
}

# Start a command that outlives this shell; print its process id. Its last line in the log is its exit status.
# $1: log file; the rest: the command
start_in_background() {
    local log="$1"
    shift
    {
        # A closed terminal must not end the run.
        trap '' HUP
        "$@" </dev/null >"$log" 2>&1 &
        local pid=$! status=0
        echo "$pid"
        exec >>"$log" 2>&1
        wait "$pid" || status=$?
        echo "exit status: $status"
    } &
}

# Run an entry script of the project: in the background with a log, or with --foreground in this process.
# $1: root of the project; $2: entry script; $3: name of the log; the rest: arguments of the entry script
launch() {
    local root="$1" entry="$2" log="${LOG_FILE:-$3}" python foreground=false argument pid
    shift 3
    local arguments=()
    for argument in "$@"; do
        if [[ "$argument" == --foreground ]]; then
            foreground=true
        else
            arguments+=("$argument")
        fi
    done
    python="$(project_python "$root")"
    if ! command -v "$python" >/dev/null; then
        error "$python: no such program -> run 'make quickstart' once, or set PYTHON"
        return 2
    fi
    if [[ "$foreground" == true ]]; then
        exec "$python" "$root/$entry" ${arguments[@]+"${arguments[@]}"}
    fi
    # A mistake in the configuration shows here and now, not in a log that nobody has opened yet.
    "$python" "$root/$entry" ${arguments[@]+"${arguments[@]}"} --print_config >/dev/null || return
    if [[ -e "$log" ]]; then
        mv -f -- "$log" "$log.previous"
    fi
    : >"$log"
    # Unbuffered, so that the log can be followed.
    pid="$(PYTHONUNBUFFERED=1 start_in_background "$log" "$python" "$root/$entry" ${arguments[@]+"${arguments[@]}"})"
    echo "started $entry in the background: process $pid, log $log"
    echo "  follow it until it ends:  tail --pid=$pid -n +1 -f $log"
    echo "  its exit status:          the last line of $log once it has ended"
    echo "  stop it:                  kill $pid"
}
