"""Every option of the Ascend document about the fine-tune of ALBERT V2, and of the code that it describes."""

from __future__ import annotations

from tests.config.option_rows import NETWORK, Group, refused, rows

V2 = "Ascend V2"

_V2 = rows(
    """
    mode               | cpu      | entry/test_albert_data.py
    train_batch_size   | cpu      | tasks/test_squad.py
    eval_batch_size    | cpu      | tasks/test_classifier.py
    log_steps          | cpu      | config/test_load.py
    precision_mode      | recorder | runtime/test_ascend.py
    over_dump           | devices  | entry/test_diagnostics_runs.py
    data_dump_flag      | devices  | entry/test_diagnostics_runs.py
    data_dump_step      | devices  | entry/test_diagnostics_runs.py
    profiling           | devices  | entry/test_diagnostics_runs.py
    profiling_dump_path | devices  | entry/test_diagnostics_runs.py
    over_dump_path      | devices  | entry/test_diagnostics_runs.py
    data_dump_path      | devices  | entry/test_diagnostics_runs.py
    use_mixlist         | cpu      | config/test_float32_operators.py
    fusion_off_flag     | recorder | runtime/test_ascend.py
    mixlist_file        | cpu      | config/test_float32_operators.py
    fusion_off_file     | recorder | config/test_ascend_keys.py
    auto_tune           | recorder | runtime/test_ascend.py
    """
) + refused(
    "input_meta_data_path train_data_path eval_data_path bert_config_file init_checkpoint steps_per_loop learning_rate "
    "num_train_epochs model_dir distribution_strategy"
)
_V2_CODE = refused(
    "train_data_size predict_checkpoint_path num_eval_per_epoch end_lr optimizer_type hub_module_url "
    "hub_module_trainable model_export_path use_fastgelu"
)
_V2_NETWORK = rows(
    """
    net_structure_type | accepted | config/test_presets.py
    gap_size           | accepted | config/test_documented.py
    num_memory_blocks  | accepted | config/test_documented.py
    down_scale_factor  | accepted | config/test_documented.py
    """
)
_V2_CONVERTER = rows(
    """
    input_data_dir | folder of the task | cpu | data/test_convert.py
    sp_model_file | SentencePiece model | cpu | tensorflow/test_albert_data_tensorflow.py:records
    train_data_output_path | name of the train file | cpu | data/test_convert.py
    eval_data_output_path | name of the dev file | cpu | data/test_convert.py
    meta_data_file_path | json that readers ask for | cpu | data/test_convert.py
    fine_tuning_task_type | kind of labels | cpu | data/test_convert.py
    max_seq_length | tokens of a record | cpu | data/test_convert.py
    classification_task_name | GLUE task | cpu | data/test_convert.py
    tokenization | checked against the vocabulary that is given | cpu | data/test_convert.py
    """
)
_V2_LAUNCHER = rows(
    """
    data_path | folder with albert_base or albert_large, and MNLI_dataset | passed | scripts/test_train_albert_v2_sh.py
    precision_mode | passed to run_classifier.py | passed | scripts/test_train_albert_v2_sh.py
    over_dump | passed to run_classifier.py | passed | scripts/test_train_albert_v2_sh.py
    data_dump_flag | passed to run_classifier.py | passed | scripts/test_train_albert_v2_sh.py
    data_dump_step | passed to run_classifier.py | passed | scripts/test_train_albert_v2_sh.py
    profiling | passed to run_classifier.py | passed | scripts/test_train_albert_v2_sh.py
    help | the explanation of the options | cpu | scripts/test_train_albert_v2_sh.py
    """
)

_V2_SURROUNDINGS = rows(
    """
    ASCEND_DEVICE_ID | number of the device, and of the output folder | recorder | scripts/test_train_albert_v2_sh.py
    """
)

V2_GROUPS: tuple[Group, ...] = (
    Group(V2, "script parameters", ("run_classifier.py",), _V2),
    Group(V2, "further flags of its code", ("run_classifier.py",), _V2_CODE),
    Group(V2, "default configuration", ("run_classifier.py",), _V2_NETWORK, NETWORK),
    Group(V2, "default configuration, as it is spelled", ("run_classifier.py",), refused("num_hidden_grops")),
    Group(
        V2, "create_finetuning_data.py", ("src/data/convert_options.py", "src/data/record_command.py"), _V2_CONVERTER
    ),
    Group(V2, "train_*_1p.sh", ("scripts/albert_v2.sh",), _V2_LAUNCHER),
    Group(V2, "environment variables", ("scripts/albert_v2.sh",), _V2_SURROUNDINGS),
)
