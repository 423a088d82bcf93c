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

# Whether a Python is there, and has packages; an error otherwise.
# $1: the Python; the rest: the packages
check_python() {
    local python="$1" answer
    shift
    if ! command -v "$python" >/dev/null; then
        error "$python: no such program -> run 'make quickstart' once, or set PYTHON"
        return 2
    fi
    # Packages are looked for and not imported, which would take seconds.
    answer="$("$python" -c 'import importlib.util, sys
print("Python", sys.version_info[0], *(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))' \
        "$@" </dev/null 2>/dev/null)" || true
    if [[ "$answer" != "Python 3"* ]]; then
        error "$python is no Python 3 -> leave PYTHON out, or set it to the Python of an environment with the packages"
        return 2
    fi
    if [[ "$answer" != "Python 3" ]]; then
        error "$python lacks the packages: ${answer#Python 3 } -> run 'make quickstart' once, and leave PYTHON out"
        return 2
    fi
}

# What the commands cannot begin without.
PACKAGES=(pydantic yaml numpy mindspore)

# Take a command line apart: words before the first option into POSITIONALS, the rest and --foreground into OPTIONS.
# Shows the usage, which the caller has defined, and leaves when help is wanted or the number of words is wrong.
# $1, $2: least and largest number of words; the rest: the command line
take_arguments() {
    local least="$1" most="$2"
    shift 2
    POSITIONALS=()
    OPTIONS=()
    while [[ $# -gt 0 && ("$1" != -* || "$1" == --foreground) ]]; do
        if [[ "$1" == --foreground ]]; then
            OPTIONS+=("$1")
        else
            POSITIONALS+=("$1")
        fi
        shift
    done
    OPTIONS+=("$@")
    if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
        usage
        exit 0
    fi
    if ((${#POSITIONALS[@]} < least || ${#POSITIONALS[@]} > most)); then
        refuse_words "$least" "$most" "${1:-}"
    fi
}

# Leave with an error and the usage because of the number of POSITIONALS.
# $1, $2: least and largest number of words; $3: the option that they stand before, or nothing
refuse_words() {
    local wanted="$1 words" given="none"
    if (($1 < $2)); then
        wanted="$1 to $2 words"
    elif (($1 == 1)); then
        wanted="1 word"
    fi
    if ((${#POSITIONALS[@]} > 0)); then
        given="${#POSITIONALS[@]}: ${POSITIONALS[*]}"
    fi
    usage >&2
    error "expected $wanted before the options, got $given${3:+, and then $3} -> give what the usage names"
    exit 2
}

# Leave with an error unless a word is a whole number.
# $1: what it is; $2: the word; $3: the smallest that is allowed
check_number() {
    if [[ ! "$2" =~ ^[0-9]+$ ]] || ((10#$2 < $3)); then
        error "$1 is '$2' -> use a whole number from $3 on"
        exit 2
    fi
}

# Give the options of the command line to a command that prints what it does; show the usage when the first is none.
# $1: root of the project; $2: entry script; $3: the option that the usage begins with; the rest: the command line
pass_options() {
    local root="$1" entry="$2" first="$3"
    shift 3
    if [[ $# -eq 0 ]]; then
        usage >&2
        error "no options are given -> give $first and the others"
        exit 2
    fi
    if [[ "$1" != -* ]]; then
        usage >&2
        error "'$1' is no option -> give $first and the others by name"
        exit 2
    fi
    # Not "cd": paths in the arguments are relative to the folder of the call.
    exec "$(project_python "$root")" "$root/$entry" "$@"
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
# The words of the array PREFIX, such as those of mpirun, come before the Python.
# $1: root of the project; $2: entry script; $3: name of the log; the rest: arguments of the entry script
launch() {
    local root="$1" entry="$2" log="$3" python foreground=false argument
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
    check_python "$python" "${PACKAGES[@]}" || return
    if [[ "$foreground" == false ]]; then
        # A mistake in the configuration shows here and now, not in a log that nobody has opened yet.
        "$python" "$root/$entry" ${arguments[@]+"${arguments[@]}"} --print_config >/dev/null || return
    fi
    run "$foreground" "$log" "$entry" \
        ${PREFIX[@]+"${PREFIX[@]}"} "$python" "$root/$entry" ${arguments[@]+"${arguments[@]}"}
}

# Run a command in this process, or in the background with a log.
# $1: whether in this process (true, false); $2: name of the log; $3: name of the command; the rest: the command
run() {
    local foreground="$1" log="${LOG_FILE:-$2}" name="$3" pid
    shift 3
    if [[ "$foreground" == true ]]; then
        exec "$@"
    fi
    if [[ -e "$log" ]]; then
        mv -f -- "$log" "$log.previous"
    fi
    : >"$log"
    # Unbuffered, so that the log can be followed.
    pid="$(PYTHONUNBUFFERED=1 start_in_background "$log" "$@")"
    echo "started $name in the background: process $pid, log $log"
    echo "  follow it until it ends:  tail --pid=$pid -n +1 -f $log"
    echo "  its exit status:          the last line of $log once it has ended"
    echo "  stop it:                  kill $pid"
}

# Run run_pretrain.py in one process with POSITIONALS = EPOCH_SIZE DATA_DIR [SCHEMA_DIR].
# $1: root of the project; the rest: options
pretrain() {
    local root="$1"
    shift
    set_data_options
    launch "$root" run_pretrain.py pretraining_log.txt "$@" "${DATA_OPTIONS[@]}" ${OPTIONS[@]+"${OPTIONS[@]}"}
}

# Run run_pretrain.py in several processes through launch.py, with POSITIONALS = EPOCH_SIZE DATA_DIR [SCHEMA_DIR].
# $1: root of the project; $2: device target; $3: number of processes
pretrain_distributed() {
    local root="$1" target="$2" size="$3"
    set_data_options
    launch "$root" launch.py pretraining_log.txt --device_num "$size" --device_target "$target" --log_dir . \
        --log_name 'LOG{device}/pretraining_log.txt' "$root/run_pretrain.py" \
        "${DATA_OPTIONS[@]}" ${OPTIONS[@]+"${OPTIONS[@]}"}
}

# Fine-tune in one process; show the usage, which the caller has defined, without options.
# $1: root of the project; $2: entry script; $3: name of the log; the rest: the command line
finetune() {
    if [[ $# -eq 3 ]]; then
        usage >&2
        error "no options are given -> say what to do, for example --do_train true"
        exit 2
    fi
    if [[ "$4" == --help || "$4" == -h ]]; then
        usage
        exit 0
    fi
    launch "$@"
}

# Fine-tune in one process for each Ascend device of the rank table POSITIONALS = RANK_TABLE_FILE, through launch.py.
# $1: root of the project; $2: entry script; $3: name of the log
finetune_distributed_ascend() {
    local root="$1" entry="$2" log="$3"
    export_log_variables
    launch "$root" launch.py "$log" --rank_table_file "${POSITIONALS[0]}" --device_target Ascend --log_dir . \
        --log_name "LOG{device}/$log" "$root/$entry" ${OPTIONS[@]+"${OPTIONS[@]}"}
}

# Print the usage of a script that calls finetune_distributed_ascend.
# $1: the script; $2: entry script; $3: name of the log; $4, $5: the two lines of options that end the example
usage_distributed_ascend() {
    local script="$1" entry="$2" log="$3"
    cat <<TEXT
usage: bash scripts/$script RANK_TABLE_FILE [OPTIONS OF $entry]
Starts $entry through launch.py on each device that the rank table lists for this machine, in the
background. $log in the current folder shows rank 0 and what the launcher says; each process has its own
LOG<device>/$log. Former logs are kept. See docs/distributed.md.

  RANK_TABLE_FILE  hccl.json, as hccl_tools.py makes it
  --foreground     run in this terminal instead, wait, and return the exit status

example:
  bash scripts/$script hccl.json --do_train true --do_eval true \\
      $4 \\
      $5

environment: PYTHON    the Python to run with (else .venv/bin/python of the project, else python3)
             LOG_FILE  another place for the log
             HCCL_CONNECT_TIMEOUT            seconds that processes wait for each other, else 600
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder
The options of $entry: python $entry --help
TEXT
}

# Turn POSITIONALS = EPOCH_SIZE DATA_DIR [SCHEMA_DIR], or DATA_DIR alone, into the options DATA_OPTIONS. What is not
# there is an error here and now, not in a log that nobody has opened yet.
set_data_options() {
    DATA_OPTIONS=()
    if ((${#POSITIONALS[@]} > 1)); then
        check_number EPOCH_SIZE "${POSITIONALS[0]}" 1
        DATA_OPTIONS+=(--epoch_size "${POSITIONALS[0]}")
        POSITIONALS=("${POSITIONALS[@]:1}")
    fi
    if [[ "${POSITIONALS[0]}" != *://* && ! -d "${POSITIONALS[0]}" ]]; then
        error "${POSITIONALS[0]}: no such folder -> give the folder of the record files as DATA_DIR"
        exit 2
    fi
    DATA_OPTIONS+=(--data_dir "${POSITIONALS[0]}")
    if ((${#POSITIONALS[@]} > 1)); then
        if [[ "${POSITIONALS[1]}" != *://* && ! -e "${POSITIONALS[1]}" ]]; then
            error "${POSITIONALS[1]}: no such file -> give a schema.json as SCHEMA_DIR, or leave it out"
            exit 2
        fi
        DATA_OPTIONS+=(--schema_dir "${POSITIONALS[1]}")
    fi
}

# MindSpore's own log goes to files beside that of the run, unless the caller has said otherwise.
export_log_variables() {
    export GLOG_log_dir="${GLOG_log_dir:-$PWD/ms_log}"
    export GLOG_logtostderr="${GLOG_logtostderr:-0}"
}
