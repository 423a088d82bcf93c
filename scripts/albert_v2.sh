# shellcheck shell=bash
# What the launchers of the ALBERT V2 fine-tune share; they source scripts/common.sh before it.

# Print the usage of a launcher.
# $1: the script; $2: lines that say what it does; $3: lines of options that only it has
usage_albert_v2() {
    cat <<TEXT
usage: bash scripts/$1 --data_path=DIR [--size=base|large] [OPTION ...]
$2

parameter explain:
    --data_path          source data of training: a folder that holds albert_base or albert_large, and MNLI_dataset
    --size               base or large, default is base
    --precision_mode     precision mode(allow_fp32_to_fp16/force_fp16/must_keep_origin_dtype/allow_mix_precision)
    --over_dump          if or not over detection, default is False
    --data_dump_flag     data dump flag, default is False
    --data_dump_step     data dump step, default is 10
    --profiling          if or not profiling for performance debug, default is False
$3    -h/--help            show help message
Every other option is one of run_classifier.py: python run_classifier.py --help. See docs/ascend910.md.

It waits for the end, and its exit status is that of the training. In the current folder it writes
    output/<id>/train_<id>.log      everything that the training prints; a former log is kept
    output/<id>/albert_v2_<size>_*  the run directory: checkpoints, figures, evaluations
    output/<id>/<CaseName>.log      the summary: throughput, time of a step, accuracy, loss, time from end to end

environment: ASCEND_DEVICE_ID  number of the device, else 0
             PYTHON            the Python to run with (else .venv/bin/python of the project, else python3)
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder

example on a laptop: bash scripts/$1 --data_path=albert_data --device_target=CPU
TEXT
}

# Take the command line apart into DATA, SIZE, STEPS (empty where it is not given) and PASSED.
# The rest: the command line
take_albert_v2_options() {
    DATA="" SIZE="base" STEPS="" PASSED=()
    while [[ $# -gt 0 ]]; do
        case "$1" in
            -h | --help)
                usage
                exit 0
                ;;
            --data_path | --size | --train_steps)
                if [[ $# -lt 2 || "$2" == --* ]]; then
                    error "$1 needs a value -> write $1=VALUE"
                    exit 2
                fi
                set -- "$1=$2" "${@:3}"
                continue
                ;;
            --data_path=*) DATA="${1#*=}" ;;
            --size=*) SIZE="${1#*=}" ;;
            --train_steps=*) STEPS="${1#*=}" ;;
            --run_dir | --run_dir=* | --albert_data_dir | --albert_data_dir=*)
                error "${1%%=*} is chosen by this script -> use --data_path, and start in the folder for the results"
                exit 2
                ;;
            *) PASSED+=("$1") ;;
        esac
        shift
    done
}

# Leave with an error unless the options and the places are right.
# $1: the run directory
check_albert_v2() {
    local run="$1" word
    if [[ -z "$DATA" ]]; then
        usage >&2
        error "--data_path is missing -> give the folder that holds albert_$SIZE and MNLI_dataset"
        exit 2
    fi
    if [[ "$SIZE" != base && "$SIZE" != large ]]; then
        error "--size is '$SIZE' -> use base or large"
        exit 2
    fi
    if [[ ! -d "$DATA" ]]; then
        error "$DATA: no such folder -> give the folder that holds albert_$SIZE and MNLI_dataset"
        exit 2
    fi
    if [[ -n "$STEPS" ]]; then
        check_number --train_steps "$STEPS" 1
    fi
    for word in ${PASSED[@]+"${PASSED[@]}"}; do
        if [[ "$word" == --resume* || "$word" == --overwrite* ]]; then
            return
        fi
    done
    if [[ -e "$run" && -n "$(ls -A "$run")" ]]; then
        error "$run: a run is there already -> add --resume=true or --overwrite=true, or start in another folder"
        exit 2
    fi
}

# Run a command with its output in a log; signals that end this shell go to it, so that it saves its state.
# $1: log; the rest: the command. Returns its exit status.
run_with_log() {
    local log="$1" pid status=0
    shift
    if [[ -e "$log" ]]; then
        mv -f -- "$log" "$log.previous"
    fi
    PYTHONUNBUFFERED=1 "$@" </dev/null >"$log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2064  # the process id of now
    trap "kill -TERM $pid 2>/dev/null || true" TERM INT HUP
    # A signal ends the first wait, not the process.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid" || true
    done
    wait "$pid" || status=$?
    trap - TERM INT HUP
    return "$status"
}

# Fine-tune on one device, and write the summary.
# $1: root of the project; $2: full or performance; the rest: the command line
train_albert_v2() {
    local root="$1" variant="$2" python device output run log started status=0
    shift 2
    take_albert_v2_options "$@"
    device="${ASCEND_DEVICE_ID:-0}"
    check_number ASCEND_DEVICE_ID "$device" 0
    output="$PWD/output/$device"
    run="$output/albert_v2_${SIZE}_$variant"
    check_albert_v2 "$run"
    python="$(project_python "$root")"
    check_program "$python" || exit
    local arguments=(--overlay "$root/configs/mnli_v2_$SIZE.yaml" --albert_data_dir "$DATA" --run_dir "$run"
        --device_target Ascend --device_id "$device")
    if [[ "$variant" == performance ]]; then
        STEPS="${STEPS:-1000}"
        # Ten lines of figures: the first, with the compilation in it, is left out of the throughput.
        arguments+=(--do_eval false --log_steps "$((10#$STEPS < 10 ? 1 : 10#$STEPS / 10))")
    fi
    if [[ -n "$STEPS" ]]; then
        arguments+=(--train_steps "$STEPS")
    fi
    arguments+=(${PASSED[@]+"${PASSED[@]}"})
    # A mistake in the configuration shows here and now.
    "$python" "$root/run_classifier.py" "${arguments[@]}" --print_config >/dev/null || exit
    mkdir -p -- "$output"
    log="$output/train_$device.log"
    export_log_variables
    # One process by itself, whatever the shell was set up for.
    unset RANK_TABLE_FILE
    export ASCEND_DEVICE_ID="$device" DEVICE_ID="$device" RANK_ID=0 RANK_SIZE=1
    echo "training; follow it with: tail -n +1 -f $log"
    started=$SECONDS
    run_with_log "$log" "$python" "$root/run_classifier.py" "${arguments[@]}" || status=$?
    if ((status != 0)); then
        tail -n 3 -- "$log" >&2
        error "the training ended with status $status -> see $log"
        exit "$status"
    fi
    if [[ "$python" == */* && "$python" != /* ]]; then
        python="$PWD/$python"
    fi
    # From the root, so that no other package "src" is found.
    cd "$root" || exit
    "$python" -m src.tasks.run_summary --run_dir "$run" --folder "$output" --network "albert_v2_$SIZE" \
        --variant "$variant" --elapsed_s "$((SECONDS - started))" || error "there is no summary; the run is whole: $run"
}
