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
--mode=predict and --mode=export_only take the run that train_albert_v2_full_1p.sh left in the current folder.

It waits for the end, and its exit status is that of the training. In the current folder it writes
    output/<id>/train_<id>.log      everything that the training prints; a former log is kept
    output/<id>/albert_v2_<size>_*  the run directory: checkpoints, figures, evaluations
    output/<id>/<CaseName>.log      the summary: throughput, time of a step, accuracy, loss, time from end to end
    output/<id>/albert_v2_<size>.mindir  what --mode=export_only exports; predictions go into the run directory

environment: ASCEND_DEVICE_ID  number of the device, else 0
             PYTHON            the Python to run with (else .venv/bin/python of the project, else python3)
             GLOG_log_dir, GLOG_logtostderr  MindSpore's own log; else ms_log in the current folder

example on a laptop: bash scripts/$1 --data_path=albert_data --device_target=CPU
TEXT
}

# Take the command line apart into DATA, SIZE, STEPS and MODE (empty where they are not given) and PASSED.
# The rest: the command line
take_albert_v2_options() {
    DATA="" SIZE="base" STEPS="" MODE="" PASSED=()
    while [[ $# -gt 0 ]]; do
        case "$1" in
            -h | --help)
                usage
                exit 0
                ;;
            --data_path | --size | --train_steps | --mode)
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
            --mode=*) MODE="${1#*=}" MODE="${MODE,,}" ;;
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
# $1: the run directory; $2: full or performance
check_albert_v2() {
    local run="$1" variant="$2" given=""
    if [[ -z "$DATA" ]]; then
        # What was given in its place is more often misspelt than forgotten.
        if ((${#PASSED[@]} > 0)); then
            given=", and this launcher does not know ${PASSED[*]}"
        fi
        usage >&2
        error "--data_path is missing$given -> write --data_path=DIR, the folder with albert_$SIZE and MNLI_dataset"
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
    if [[ "$MODE" == predict || "$MODE" == export_only ]]; then
        check_trained "$run" "$variant"
    else
        check_free "$run"
    fi
}

# Leave with an error unless a run has weights to predict with or to export.
# $1: the run directory; $2: full or performance
check_trained() {
    if [[ "$2" != full ]]; then
        error "--mode=$MODE needs a training with evaluation -> use train_albert_v2_full_1p.sh"
        exit 2
    fi
    if [[ ! -f "$1/config.yaml" || ! -f "$1/checkpoints/classifier-best.ckpt" ]]; then
        error "$1: --mode=$MODE needs a trained run here, and there is none -> train first, without --mode:" \
            "bash scripts/train_albert_v2_full_1p.sh --data_path=$DATA --size=$SIZE"
        exit 2
    fi
}

# Leave with an error where an earlier run would have to give way.
# $1: the run directory
check_free() {
    local word
    for word in ${PASSED[@]+"${PASSED[@]}"}; do
        if [[ "$word" == --resume* || "$word" == --overwrite* ]]; then
            return
        fi
    done
    if [[ -e "$1" && -n "$(ls -A "$1")" ]]; then
        error "$1: a run is there already -> add --resume=true or --overwrite=true, or start in another folder"
        exit 2
    fi
}

# Predict with the run or export it, in this process.
# $1: the Python; $2: root of the project; $3: the run directory; $4: folder of the outputs; $5: the device
use_albert_v2() {
    local python="$1" root="$2" run="$3" output="$4" device="$5"
    local arguments=(--config_path "$run/config.yaml" --run_dir "$run" --mode "$MODE" --device_target Ascend
        --device_id "$device")
    if [[ "$MODE" == predict ]]; then
        # The rows are those of the folder that is named now, wherever the training had its own.
        arguments+=(--albert_data_dir "$DATA" --custom_network_dir "albert_$SIZE" --eval_data_file_path= --meta_data_file_path=)
    else
        arguments+=(--export_file_name "$output/albert_v2_$SIZE")
    fi
    export_log_variables
    one_process "$device"
    exec "$python" "$root/run_classifier.py" "${arguments[@]}" ${PASSED[@]+"${PASSED[@]}"}
}

# Set the environment of one process by itself, whatever the shell was set up for.
# $1: the device
one_process() {
    unset RANK_TABLE_FILE
    export ASCEND_DEVICE_ID="$1" DEVICE_ID="$1" RANK_ID=0 RANK_SIZE=1
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
    check_albert_v2 "$run" "$variant"
    python="$(project_python "$root")"
    check_python "$python" "${PACKAGES[@]}" || exit
    if [[ "$MODE" == predict || "$MODE" == export_only ]]; then
        use_albert_v2 "$python" "$root" "$run" "$output" "$device"
    fi
    local arguments=(--overlay "$root/configs/mnli_v2_$SIZE.yaml" --albert_data_dir "$DATA" --run_dir "$run"
        --custom_network_dir "albert_$SIZE" --device_target Ascend --device_id "$device")
    if [[ "$variant" == performance ]]; then
        STEPS="${STEPS:-1000}"
        # Ten lines of figures, whose median is the throughput.
        arguments+=(--do_eval false --log_steps "$((10#$STEPS < 10 ? 1 : 10#$STEPS / 10))")
    fi
    if [[ -n "$STEPS" ]]; then
        arguments+=(--train_steps "$STEPS")
    fi
    if [[ -n "$MODE" ]]; then
        arguments+=(--mode "$MODE")
    fi
    arguments+=(${PASSED[@]+"${PASSED[@]}"})
    # A mistake in the configuration shows here and now.
    "$python" "$root/run_classifier.py" "${arguments[@]}" --print_config >/dev/null || exit
    export_log_variables
    one_process "$device"
    mkdir -p -- "$output"
    log="$output/train_$device.log"
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
