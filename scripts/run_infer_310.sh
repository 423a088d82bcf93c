#!/usr/bin/env bash
# Score an exported model on Ascend 310 (or the CPU): build the application, preprocess, infer, postprocess.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
    cat <<'TEXT'
usage: bash scripts/run_infer_310.sh MINDIR_PATH DATA_FILE_PATH NEED_PREPROCESS TASK_TYPE [DEVICE_ID] [OPTIONS ...]
       bash scripts/run_infer_310.sh MINDIR_PATH DATA_FILE_PATH NEED_PREPROCESS squadv1|squadv2 EVAL_JSON_PATH
           [VOCAB_FILE_PATH SPM_MODEL_FILE] [DEVICE_ID] [OPTIONS ...]
       bash scripts/run_infer_310.sh MINDIR_PATH LABEL_PATH DATA_FILE_PATH DATASET_FORMAT NEED_PREPROCESS TASK_TYPE
           [EVAL_JSON_PATH] [DEVICE_ID] [OPTIONS ...]
Builds ascend310_infer where it is not built yet, writes preprocess_result, result_files and time_result in the current
folder, and prints the score, which acc.log keeps (a former one becomes acc.log.previous). The other logs are
preprocess.log, infer.log, postprocess.log and ascend310_infer/build.log. The two orders are told apart by the place of NEED_PREPROCESS. See docs/ascend310_data.md.

  MINDIR_PATH      the model; where export.py left NAME.json beside it, sizes and vocabulary are taken from there
  LABEL_PATH       not used: the labels are in DATA_FILE_PATH
  DATA_FILE_PATH   records with labels; for SQuAD a file that keeps its features, or the json file itself
  DATASET_FORMAT   mindrecord or tfrecord; it is found out, so the word decides nothing
  NEED_PREPROCESS  y, or n to take preprocess_result as it is
  TASK_TYPE        mnli, sst2 or another task of GLUE, squadv1, squadv2, or a task of your own
  EVAL_JSON_PATH   json file of SQuAD
  DEVICE_ID        number of the device; else that of the environment variable device_id, else 0
  OPTIONS          --device CPU, --warmup N, --threads N, --precision_mode MODE and --input_limits A,B,C are for
                   ascend310_infer; --assessment_method and --predictions_dir for postprocess.py; all others for
                   preprocess.py, such as --model and --seq_length

examples:
  bash scripts/run_infer_310.sh export/mnli.mindir data/mnli_dev.mindrecord y mnli 2
  bash scripts/run_infer_310.sh export/squad.mindir squad.features.npz y squadv1 dev-v1.1.json --device CPU

environment: PYTHON             the Python to run with (else .venv/bin/python of the project, else python3)
             LITE_HOME          MindSpore Lite, for the build of ascend310_infer
             ALBERT_310_APP     another program in place of ascend310_infer/out/ascend310_infer. It must take the same
                                options. With --device CPU it is first called with --check_model true, and must then
                                only say by its exit status whether it can run the model: 0 for yes
             ALBERT_310_DEVICE  Ascend or CPU, where --device is not given
TEXT
}

# Whether a word says yes or no.
is_yes_or_no() {
    [[ "$1" == [yYnN] ]]
}

# Leave with an error.
# $*: the error
refuse() {
    error "$*"
    exit 2
}

# Name the words of POSITIONALS, whose two printed orders differ in the place of NEED_PREPROCESS.
name_words() {
    if is_yes_or_no "${POSITIONALS[2]}"; then
        order="MINDIR_PATH DATA_FILE_PATH NEED_PREPROCESS TASK_TYPE"
        mindir="${POSITIONALS[0]}" data="${POSITIONALS[1]}" need="${POSITIONALS[2]}" task="${POSITIONALS[3]}"
        rest=("${POSITIONALS[@]:4}")
    elif ((${#POSITIONALS[@]} > 5)) && is_yes_or_no "${POSITIONALS[4]}"; then
        order="MINDIR_PATH LABEL_PATH DATA_FILE_PATH DATASET_FORMAT NEED_PREPROCESS TASK_TYPE"
        mindir="${POSITIONALS[0]}" data="${POSITIONALS[2]}" need="${POSITIONALS[4]}" task="${POSITIONALS[5]}"
        rest=("${POSITIONALS[@]:6}")
        check_format "${POSITIONALS[3]}"
    else
        refuse "NEED_PREPROCESS (y or n) is neither the third word, '${POSITIONALS[2]}', nor the fifth," \
            "'${POSITIONALS[4]-}' -> see --help for the order of the words"
    fi
    need="${need,}"
}

# Leave with an error unless a word is a format of records.
# $1: the word
check_format() {
    case "${1,,}" in
        "" | mindrecord | tfrecord) ;;
        *) refuse "DATASET_FORMAT is '$1' -> use mindrecord or tfrecord" ;;
    esac
}

# Name the words behind TASK_TYPE.
name_rest() {
    local last=$((${#rest[@]} - 1))
    device_id="${device_id:-0}"
    if ((last >= 0)) && [[ "${rest[last]}" =~ ^[0-9]+$ ]]; then
        device_id="${rest[last]}"
        unset 'rest[last]'
    fi
    check_number DEVICE_ID "$device_id" 0
    json="" vocabulary="" model=""
    if [[ "${task,,}" == squad* ]]; then
        ((${#rest[@]} < 2 || ${#rest[@]} == 3)) || refuse "behind squadv1 stand EVAL_JSON_PATH, or it with both" \
            "VOCAB_FILE_PATH and SPM_MODEL_FILE, and DEVICE_ID (a number) -> see --help for the order of the words"
        json="${rest[0]:-}" vocabulary="${rest[1]:-}" model="${rest[2]:-}"
        if [[ -z "$json" && "$data" == *.json?(.gz) ]]; then
            json="$data" data=""
        fi
        [[ -n "$json" || "$need" == n ]] || refuse "EVAL_JSON_PATH is missing -> $task is scored with its json file"
    elif ((${#rest[@]} > 1)) || { ((${#rest[@]} == 1)) && [[ "$order" != *LABEL_PATH* ]]; }; then
        refuse "'${rest[0]}' is no DEVICE_ID -> give a number, and EVAL_JSON_PATH for SQuAD alone"
    fi
}

# Part the options by the program that they are for.
part_options() {
    local word for=preprocess
    for_preprocess=() for_application=() for_postprocess=()
    for word in ${OPTIONS[@]+"${OPTIONS[@]}"}; do
        case "$word" in
            --device | --device=* | --warmup | --warmup=* | --precision_mode | --precision_mode=*) for=application ;;
            --threads | --threads=* | --input_limits | --input_limits=*) for=application ;;
            --result_path | --result_path=* | --acc_log | --acc_log=*)
                refuse "${word%%=*} cannot be given: the files are written into the current folder" ;;
            --assessment_method | --assessment_method=* | --predictions_dir | --predictions_dir=*) for=postprocess ;;
            --*) for=preprocess ;;
        esac
        local -n target="for_$for"
        # An option and its value are two words for every program.
        if [[ "$word" == --*=* ]]; then
            target+=("${word%%=*}" "${word#*=}")
        else
            target+=("$word")
        fi
    done
    if [[ "$need" == n && ${#for_preprocess[@]} -gt 0 ]]; then
        refuse "${for_preprocess[0]} is for preprocess.py, which does not run -> leave it out, or say y"
    fi
    if [[ -n "${ALBERT_310_DEVICE:-}" && " ${for_application[*]-} " != *" --device "* ]]; then
        for_application+=(--device "$ALBERT_310_DEVICE")
    fi
    find_device
}

# Set "device" to the device of the application in lower case; leave with an error where there is no such device.
find_device() {
    local place
    device=ascend
    for place in ${for_application[@]+"${!for_application[@]}"}; do
        if [[ "${for_application[place]}" == --device ]]; then
            device="${for_application[place + 1]:-}"
        fi
    done
    device="${device,,}"
    case "$device" in
        ascend | ascend310 | ascend310p | cpu) ;;
        *) refuse "--device: '$device' is not a device -> give Ascend or CPU" ;;
    esac
}

# Add an option whose value is not empty to ARGUMENTS.
# $1: the option; $2: its value
add_option() {
    if [[ -n "$2" ]]; then
        ARGUMENTS+=("$1" "$2")
    fi
}

# Run a stage with a log; leave with its status, its name and the last lines of the log when it fails.
# $1: its name; $2: its log; the rest: the command
stage() {
    local name="$1" log="$2" status=0
    shift 2
    echo "$name ..."
    "$@" </dev/null >"$log" 2>&1 || status=$?
    if ((status != 0)); then
        error "$name failed with exit status $status -> see $log, which ends with:"
        tail -n 10 -- "$log" >&2 || true
        exit "$status"
    fi
}

# Whether a source of the application is newer than the application.
is_outdated() {
    local sources="$root/ascend310_infer"
    [[ -n "$(find "$sources/src" "$sources/inc" -newer "$application" -print -quit 2>/dev/null)" ]]
}

# Build the application unless it is there.
build_application() {
    application="${ALBERT_310_APP:-$root/ascend310_infer/out/ascend310_infer}"
    if [[ -n "${ALBERT_310_APP:-}" ]]; then
        if ! command -v "$application" >/dev/null; then
            error "ALBERT_310_APP: $application is no program -> correct it, or leave it empty"
            exit 2
        fi
    elif [[ ! -x "$application" ]] || is_outdated; then
        stage build "$root/ascend310_infer/build.log" bash "$root/ascend310_infer/build.sh"
    fi
}

# Leave where MindSpore Lite cannot run the model on the CPU, before hours are spent on files for it. On an Ascend the
# answer would take as long as the inference's own start.
check_model() {
    if [[ "$device" == cpu ]]; then
        stage "check of the model" infer.log "$application" --mindir_path "$mindir" --device CPU --check_model true
    fi
}

# Leave where something else than the answers of an earlier run would have to give way to new ones.
check_results() {
    local strange
    if [[ ! -e result_files ]]; then
        return
    fi
    strange="$(find result_files/ -mindepth 1 ! \( -type f \( -name '*_batch_*_[0-9].bin' -o -name results.json \) \) \
        -print -quit)"
    if [[ -n "$strange" ]]; then
        error "$strange is no result of ascend310_infer, so nothing is removed -> empty result_files, or call elsewhere"
        exit 2
    fi
}

preprocess() {
    if [[ "$need" == n ]]; then
        if [[ ! -f preprocess_result/manifest.json ]]; then
            error "there is no preprocess_result/manifest.json -> say y for NEED_PREPROCESS"
            exit 2
        fi
        return
    fi
    ARGUMENTS=(--task_type "$task" --result_path preprocess_result --overwrite true)
    if [[ -f "${mindir%.*}.json" && " ${for_preprocess[*]-} " != *" --model "* ]]; then
        ARGUMENTS+=(--model "$mindir")
    fi
    add_option --eval_data_file_path "$data"
    add_option --eval_json_path "$json"
    add_option --vocab_file_path "$vocabulary"
    add_option --spm_model_file "$model"
    stage preprocess preprocess.log "$python" "$root/preprocess.py" "${ARGUMENTS[@]}" \
        ${for_preprocess[@]+"${for_preprocess[@]}"}
    tail -n 1 preprocess.log
}

infer() {
    # Not into the folder of an earlier run: its answers stay where this one fails, and never mix with new ones.
    fresh="result_files.new.$$"
    trap 'rm -rf -- "$fresh"' EXIT
    mkdir -- "$fresh"
    stage inference infer.log "$application" --mindir_path "$mindir" --input0_path preprocess_result/00_data \
        --input1_path preprocess_result/01_data --input2_path preprocess_result/02_data --device_id "$device_id" \
        --output_dir "$fresh" --time_dir time_result ${for_application[@]+"${for_application[@]}"}
    rm -rf -- result_files
    mv -- "$fresh" result_files
    if [[ -f time_result/test_perform_static.txt ]]; then
        head -n 1 time_result/test_perform_static.txt
    fi
}

postprocess() {
    ARGUMENTS=(--task_type "$task" --preprocess_dir preprocess_result --result_dir result_files --acc_log acc.log)
    if [[ "${task,,}" == squad* ]]; then
        add_option --eval_json_path "$json"
    else
        add_option --eval_data_file_path "$data"
    fi
    stage postprocess postprocess.log "$python" "$root/postprocess.py" "${ARGUMENTS[@]}" \
        ${for_postprocess[@]+"${for_postprocess[@]}"}
    cat acc.log
}

shopt -s extglob
take_arguments 4 8 "$@"
name_words
name_rest
part_options
echo "$order: $mindir, $data, $need, $task${json:+, EVAL_JSON_PATH $json}; DEVICE_ID $device_id"
if [[ ! -f "$mindir" ]]; then
    error "$mindir: no such model -> export it with export.py"
    exit 2
fi
python="$(project_python "$root")"
check_python "$python" pydantic yaml numpy || exit
check_results
if [[ -e acc.log ]]; then
    mv -f -- acc.log acc.log.previous
fi
build_application
check_model
preprocess
infer
postprocess
