from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.config import document
from src.config.load import load_config
from src.config.options import list_options, section_paths
from src.config.replaced import REPLACED, replacement
from src.config.schemas import SCHEMAS


def words(text: str) -> list[str]:
    return text.split()


PLATFORM = words(
    """
    enable_modelarts data_url train_url checkpoint_url data_path output_path load_path device_target
    enable_profiling
    """
)
NETWORK = words(
    """
    seq_length vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act
    hidden_dropout_prob attention_probs_dropout_prob max_position_embeddings type_vocab_size initializer_range
    use_relative_positions dtype compute_type num_hidden_groups inner_group_num embedding_size
    """
)
GOOGLE = words(
    """
    net_structure_type gap_size num_memory_blocks down_scale_factor layers_to_keep
    """
)
LOSS_SCALE = ["loss_scale_value", "scale_factor", "scale_window"]
SCHEDULED = words(
    """
    decay_steps learning_rate end_learning_rate power warmup_steps weight_decay decay_filter eps
    """
)

PRETRAIN = words(
    """
    description distribute epoch_size device_id device_num enable_save_ckpt enable_lossscale do_shuffle
    enable_data_sink data_sink_steps accumulation_steps allreduce_post_accumulation save_checkpoint_path
    load_checkpoint_path save_checkpoint_steps train_steps save_checkpoint_num data_dir schema_dir batch_size
    albert_network bert_network optimizer enable_global_norm train_with_eval eval_data_dir schema_file eval_ckpt
    eval_samples bucket_list Thor AdamWeightDecay Lamb Momentum base_batch_size large_batch_size xlarge_batch_size
    xxlarge_batch_size base_net_cfg large_net_cfg xlarge_net_cfg xxlarge_net_cfg bert_net_cfg
    """
)
EXPORT = ["export_batch_size", "export_ckpt_file", "export_file_name", "file_format"]
FINETUNE = words(
    """
    description distribute do_train do_eval device_num device_id epoch_num num_class train_data_shuffle
    eval_data_shuffle train_batch_size eval_batch_size save_finetune_checkpoint_path load_pretrain_checkpoint_path
    load_finetune_checkpoint_path train_data_file_path schema_file_path spm_model_file optimizer_cfg albert_net_cfg
    bert_network batch_size optimizer vocab_file_path eval_json_path eval_data_file_path
    """
)
CLASSIFIER = ["assessment_method"]
SQUAD = ["predict_feature_left_file"]
TF2 = words(
    """
    mode input_meta_data_path train_data_path eval_data_path bert_config_file init_checkpoint train_batch_size
    eval_batch_size steps_per_loop log_steps learning_rate num_train_epochs model_dir distribution_strategy
    precision_mode over_dump data_dump_flag data_dump_step profiling profiling_dump_path over_dump_path
    data_dump_path use_mixlist fusion_off_flag mixlist_file fusion_off_file auto_tune data_path train_data_size
    predict_checkpoint_path num_eval_per_epoch end_lr optimizer_type hub_module_url hub_module_trainable
    model_export_path use_fastgelu num_hidden_grops
    """
)
OTHER_COMMANDS = words(
    """
    task_name vocab_path spm_model_file max_seq_length do_lower_case input_dir output_dir shard_num do_train do_eval
    do_pred max_query_length doc_stride train_file train_feature_file run_script_dir hyper_parameter_config_dir
    data_dir hccl_config_dir cmd_file hccl_time_out hccn_config_file mindir_path input0_path input1_path input2_path
    input3_path device_id task_type eval_data_shuffle eval_batch_size eval_data_file_path result_path eval_json_path
    vocab_file_path batch_size label_dir result_dir input_data_dir sp_model_file train_data_output_path
    eval_data_output_path meta_data_file_path fine_tuning_task_type classification_task_name tokenization
    """
)
CONTROL = words(
    """
    config_path overlay print_config dry_run help
    """
)


def is_known_or_replaced(task: str, name: str) -> bool:
    options = list_options(SCHEMAS[task])
    names = {option.name for option in options.values()} | {".".join(path) for path in section_paths(options)}
    return name in names or replacement(task, name) is not None


@pytest.mark.parametrize("name", PLATFORM + LOSS_SCALE + PRETRAIN)
def test_documented_keys_of_pretraining(name: str) -> None:
    assert is_known_or_replaced("pretrain", name)


@pytest.mark.parametrize("name", PLATFORM + EXPORT + FINETUNE + CLASSIFIER + LOSS_SCALE + TF2 + OTHER_COMMANDS)
def test_documented_keys_of_the_classifier(name: str) -> None:
    assert is_known_or_replaced("classifier", name)


@pytest.mark.parametrize("name", PLATFORM + EXPORT + FINETUNE + SQUAD + LOSS_SCALE)
def test_documented_keys_of_squad(name: str) -> None:
    assert is_known_or_replaced("squad", name)


@pytest.mark.parametrize(
    ("task", "network", "optimizers"),
    [
        ("classifier", "albert_net_cfg", "optimizer_cfg."),
        ("squad", "albert_net_cfg", "optimizer_cfg."),
        ("pretrain", "xxlarge_net_cfg", ""),
    ],
)
def test_documented_parameters_of_network_and_optimizers(task: str, network: str, optimizers: str) -> None:
    names = {option.name for option in list_options(SCHEMAS[task]).values()}
    assert {f"{network}.{key}" for key in NETWORK + GOOGLE} <= names
    for optimizer in ("AdamWeightDecay", "Lamb"):
        assert {f"{optimizers}{optimizer}.{key}" for key in SCHEDULED} <= names
    assert {f"{optimizers}Momentum.{key}" for key in ("learning_rate", "momentum")} <= names
    assert {f"{optimizers}Lamb.{key}" for key in ("beta1", "beta2")} <= names
    assert f"{optimizers}optimizer" in names


def test_a_key_of_another_task_is_called_so() -> None:
    with pytest.raises(ConfigError, match=r"unknown key do_predict -> it is a key of task_classifier_config.yaml"):
        load_config("pretrain", ["--do_predict=true"])


@pytest.mark.parametrize("task", SCHEMAS)
def test_what_replaces_a_key_is_a_key_of_the_task(task: str) -> None:
    options = list_options(SCHEMAS[task])
    known = {option.name for option in options.values()} | {".".join(path) for path in section_paths(options)}
    known |= {option.path[-1] for option in options.values()} | {"<size>_net_cfg", "convert_finetune_datasets_"}
    known |= {"run_pretrain.py", "pretrain_eval.py"}
    for name in REPLACED:
        if name in known:
            continue
        for word in re.findall(r"[\w<>.]*_[\w<>.]*\w", replacement(task, name)):
            generic = word.replace("<size>_net_cfg.", "base_net_cfg.")
            assert generic in known, (task, name, replacement(task, name))


def test_the_document_is_up_to_date() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert document.updated(text, document.DOCUMENT) == text, "run: python -m src.config.document"
    assert "| `train_batch_size` | N | `32` | `48` | - |" in text


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ConfigError, match="marks of the generated part are missing"):
        document.updated("# Configuration\n", document.DOCUMENT)


def test_the_document_command_writes_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "configuration.md"
    target.write_text(f"before\n{document.BEGIN}\nstale line\n{document.END}\nafter\n")
    monkeypatch.setattr(document, "DOCUMENT", target)
    assert document.main([]) == 0
    text = target.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale line" not in text
    with pytest.raises(ConfigError):
        document.main(["--x"])


def test_control_options_hide_no_key() -> None:
    for schema in SCHEMAS.values():
        assert not set(CONTROL) & {option.name for option in list_options(schema).values()}
