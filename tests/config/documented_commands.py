"""Every option of the model zoo's scripts and other commands, and what it asks of the environment."""

from __future__ import annotations

from tests.config.documented_zoo import ZOO
from tests.config.option_rows import Group, rows

_SCRIPTS = rows(
    """
    DEVICE_ID | number of the device of the standalone scripts | cpu | scripts/test_pretrain_sh.py:device_id
    EPOCH_SIZE | passes over the data | cpu | scripts/test_pretrain_sh.py:epoch_size
    DATA_DIR | folder of the records | cpu | scripts/test_pretrain_sh.py:data_dir
    SCHEMA_DIR | schema.json that the records must fit | cpu | scripts/test_pretrain_sh.py:schema_dir
    RANK_SIZE | number of processes | cpu | scripts/test_pretrain_sh.py:device_num
    RANK_TABLE_FILE | rank table of HCCL (hccl.json) | recorder | scripts/test_pretrain_ascend.py:hccl.json
    """
)
_LAUNCHER = rows(
    """
    run_script_dir | folder of run_pretrain.py | recorder | scripts/test_pretrain_ascend.py
    hyper_parameter_config_dir | hyper_parameter_config.ini | recorder | scripts/test_pretrain_ascend.py
    data_dir | folder of the records | recorder | scripts/test_pretrain_ascend.py
    hccl_config_dir | rank table | recorder | scripts/test_pretrain_ascend.py
    cmd_file | file that the command is written to | recorder | scripts/test_pretrain_ascend.py
    hccl_time_out | seconds that processes wait for each other | recorder | scripts/test_pretrain_ascend.py
    hccn_config_file | hccn.conf, which tells the server | recorder | runtime/test_launch_rank_table.py:hccn
    """
)
_CONVERTER = rows(
    """
    task_name | GLUE task, or a name of your own | cpu | data/test_convert.py
    vocab_path | vocab.txt of a WordPiece model | cpu | data/test_inspect.py
    spm_model_file | SentencePiece model | cpu | scripts/test_convert_script.py
    max_seq_length | tokens of a record | cpu | scripts/test_convert_script.py
    do_lower_case | false for cased models | cpu | data/test_tokenization.py
    input_dir | folder of GLUE | cpu | data/test_convert.py
    output_dir | where the records go | cpu | data/test_convert.py
    shard_num | files of a split | cpu | scripts/test_convert_script.py
    do_train | convert the train split | cpu | data/test_convert.py
    do_eval | convert the dev split | cpu | data/test_convert.py
    do_pred | convert the test split | cpu | data/test_convert.py
    """
)
_SQUAD_CONVERTER = rows(
    """
    max_query_length | tokens of a question | cpu | data/squad_command/test_squad_command.py
    doc_stride | distance of the windows of a long passage | cpu | data/squad_command/test_squad_command.py
    train_file | SQuAD json | cpu | data/squad_command/test_squad_command.py
    train_feature_file | name of the records | cpu | data/squad_command/test_squad_command.py
    """
)
_WEIGHTS = rows(
    """
    ckpt_file_path | TensorFlow checkpoint | cpu | weights/test_convert_two_steps.py
    output_path | folder for its arrays | cpu | weights/test_convert_two_steps.py
    load_dir | that folder | cpu | weights/test_convert_two_steps.py
    output_file_name | MindSpore checkpoint | cpu | weights/test_convert_two_steps.py
    """
)
_INFER = rows(
    """
    MINDIR_PATH | exported model | cpu | scripts/test_run_infer_310.py:mindir
    LABEL_PATH | not used: the labels are in the records | accepted | scripts/test_run_infer_310.py:mindir
    DATA_FILE_PATH | records with labels | cpu | scripts/test_run_infer_310.py:mindrecord
    DATASET_FORMAT | found out from the file | accepted | scripts/test_run_infer_310.py:mindrecord
    NEED_PREPROCESS | y or n | cpu | scripts/test_run_infer_310.py:preprocess
    TASK_TYPE | task of the records | cpu | scripts/test_run_infer_310.py:task_type
    EVAL_JSON_PATH | SQuAD json | cpu | scripts/test_run_infer_310.py:eval_json_path
    DEVICE_ID | number of the device | devices | scripts/test_run_infer_310.py:device_id
    """
)
_INFER_PYTHON = rows(
    """
    task_type | task of the records | cpu | offline/test_preprocess.py
    result_path | folder of the raw files | cpu | offline/test_preprocess.py
    eval_data_file_path | records | cpu | offline/test_preprocess.py
    eval_data_shuffle | the rows keep their order | accepted | offline/test_preprocess.py:preprocess
    eval_batch_size | rows of a batch | cpu | offline/test_preprocess.py
    eval_json_path | SQuAD json | cpu | offline/test_preprocess.py
    result_dir | folder of the answers | cpu | offline/test_postprocess.py
    label_dir | folder of the labels | cpu | offline/test_postprocess.py
    batch_size | rows of a batch | cpu | offline/test_postprocess.py
    """
)
_INFER_APPLICATION = rows(
    """
    mindir_path | exported model | devices | ascend310_infer/test_models.py
    input0_path | folder of the first input | devices | ascend310_infer/test_command_line.py
    input1_path | folder of the second input | devices | ascend310_infer/test_command_line.py
    input2_path | folder of the third input | devices | ascend310_infer/test_command_line.py
    input3_path | folder of a fourth input, for models that have one | devices | ascend310_infer/test_folders.py
    device_id | number of the device | devices | ascend310_infer/test_command_line.py
    """
)
_FILES = rows(
    """
    config_path | yaml file of a command, relative to the current folder | cpu | config/test_load.py
    """
)
_SURROUNDINGS = rows(
    """
    HCCL_CONNECT_TIMEOUT | launch.py sets 600 seconds | recorder | runtime/test_launch_rank_table.py
    PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION | not needed | accepted | runtime/test_doctor_variables.py:RULES
    """
)

COMMAND_GROUPS: tuple[Group, ...] = (
    Group(
        ZOO,
        "scripts/run_*pretrain*.sh",
        (
            "scripts/run_standalone_pretrain_ascend.sh",
            "scripts/run_distributed_pretrain_gpu.sh",
            "scripts/run_distributed_pretrain_ascend.sh",
        ),
        _SCRIPTS,
    ),
    Group(
        ZOO,
        "get_distribute_pretrain_cmd.py",
        ("scripts/ascend_distributed_launcher/get_distribute_pretrain_cmd.py",),
        _LAUNCHER,
    ),
    Group(ZOO, "classifier_utils.py", ("src/data/convert_options.py", "src/data/record_command.py"), _CONVERTER),
    Group(ZOO, "squad_utils.py", ("src/data/squad_options.py",), _SQUAD_CONVERTER),
    Group(
        ZOO, "convert_tf_ckpt", ("src/weights/read_weight_command.py", "src/weights/save_weight_command.py"), _WEIGHTS
    ),
    Group(ZOO, "run_infer_310.sh", ("scripts/run_infer_310.sh",), _INFER),
    Group(
        ZOO,
        "preprocess.py, postprocess.py",
        ("src/offline/preprocess_options.py", "src/offline/postprocess_options.py"),
        _INFER_PYTHON,
    ),
    Group(ZOO, "ascend310_infer", ("ascend310_infer/src/options.cc",), _INFER_APPLICATION),
    Group(
        ZOO,
        "every command",
        ("src/config/command_line.py", "src/config/load.py", "src/config/export_config.py"),
        _FILES,
    ),
    Group(
        ZOO,
        "environment variables",
        ("src/runtime/launch/plan.py", "src/runtime/doctor/variable_rules.py"),
        _SURROUNDINGS,
    ),
)
