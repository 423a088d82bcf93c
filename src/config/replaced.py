"""Keys and options of the documented predecessors that are gone, with what takes their place.

``{network}`` and ``{optimizer}`` stand for the task's sections; ``{batch_size}``, ``{epochs}``, ``{train_data}``,
``{eval_data}``, ``{load}`` and ``{save}`` for its keys. Options of other commands are listed too, because users give
them to the wrong one.
"""

from __future__ import annotations

_WORDS = {
    "classifier": {
        "network": "albert_net_cfg",
        "optimizer": "optimizer_cfg.",
        "batch_size": "train_batch_size",
        "epochs": "epoch_num",
        "train_data": "train_data_file_path",
        "eval_data": "eval_data_file_path",
        "load": "load_pretrain_checkpoint_path",
        "save": "save_finetune_checkpoint_path",
    },
    "squad": {
        "network": "albert_net_cfg",
        "optimizer": "optimizer_cfg.",
        "batch_size": "train_batch_size",
        "epochs": "epoch_num",
        "train_data": "train_data_file_path",
        "eval_data": "eval_json_path",
        "load": "load_pretrain_checkpoint_path",
        "save": "save_finetune_checkpoint_path",
    },
    "pretrain": {
        "network": "<size>_net_cfg",
        "optimizer": "",
        "batch_size": "batch_size",
        "epochs": "epoch_size",
        "train_data": "data_dir",
        "eval_data": "eval_data_dir",
        "load": "load_checkpoint_path",
        "save": "save_checkpoint_path",
    },
}

_CONVERTER = "belongs to the data converter (scripts/convert_finetune_datasets_*.sh)"
_NOT_HERE = "not a choice of this task"
_LAUNCHER = "belongs to the launch scripts"
_ASCEND_310 = "belongs to the Ascend 310 commands"
_BLOCK_KEY = "set it in the block of the optimizer, for example {optimizer}AdamWeightDecay."

REPLACED: dict[str, str] = {
    # The MindSpore model zoo: keys of the yaml files and options of its README.
    "bert_network": "use albert_network",
    "bert_net_cfg": "use {network}",
    "large_boost_net_cfg": "BERT's; use albert_network with base, large, xlarge, xxlarge or custom",
    "nezha_net_cfg": "BERT's; use albert_network with base, large, xlarge, xxlarge or custom",
    "batch_size": "use {batch_size}",
    "epoch_size": "use {epochs}",
    "epoch_num": "use {epochs}",
    "data_dir": "use {train_data}",
    "schema_dir": "not needed: records carry a manifest with their columns",
    "schema_file_path": "use schema_dir",
    "do_shuffle": "use train_data_shuffle",
    "train_data_shuffle": "use do_shuffle",
    "train_data_file_path": "use {train_data}",
    "eval_data_file_path": "use {eval_data}",
    "eval_json_path": "use {eval_data}",
    "load_checkpoint_path": "use {load}",
    "save_checkpoint_path": "use {save}",
    "load_pretrain_checkpoint_path": "use {load}",
    "save_finetune_checkpoint_path": "use {save}",
    "optimizer": "use {optimizer}optimizer",
    "optimizer_cfg": "write optimizer, AdamWeightDecay, Lamb and Momentum at the top level",
    "AdamWeightDecay": "use {optimizer}AdamWeightDecay",
    "Lamb": "use {optimizer}Lamb",
    "Momentum": "use {optimizer}Momentum",
    "Thor": "second-order training with Thor is not offered: use Lamb",
    "optimizer_cfg.Thor": "second-order training with Thor is not offered: use Lamb",
    "enable_global_norm": "gradients are always clipped by their global norm: use max_grad_norm",
    "allreduce_post_accumulation": "not needed: gradients are always reduced once, after the accumulation",
    "enable_save_ckpt": "fine-tuning always saves; see save_checkpoint_steps and save_checkpoint_num",
    "train_with_eval": "use do_eval together with do_train",
    "eval_data_dir": "use {eval_data}",
    "eval_ckpt": "use load_finetune_checkpoint_path",
    "eval_samples": "every row is evaluated",
    "schema_file": "not needed: records carry a manifest with their columns",
    "assessment_method": _NOT_HERE,
    # The TensorFlow 2 fine-tuning on Ascend.
    "mode": "use do_train, do_eval and do_predict; export is a command of its own",
    "train_data_path": "use {train_data}",
    "eval_data_path": "use {eval_data}",
    "input_meta_data_path": "use meta_data_file_path",
    "meta_data_file_path": _NOT_HERE,
    "train_data_size": "not needed: the rows are counted",
    "predict_checkpoint_path": "use load_finetune_checkpoint_path",
    "num_eval_per_epoch": "use eval_steps",
    "bert_config_file": "use {network}, whose keys are those of the json file",
    "init_checkpoint": "use {load}",
    "model_dir": "use run_dir",
    "learning_rate": _BLOCK_KEY + "learning_rate",
    "end_lr": _BLOCK_KEY + "end_learning_rate",
    "num_train_epochs": "use {epochs}",
    "steps_per_loop": "use data_sink_steps, with enable_data_sink; see log_steps for the lines of the log",
    "distribution_strategy": "use distribute and device_num",
    "optimizer_type": "use {optimizer}optimizer",
    "hub_module_url": "TensorFlow Hub modules are not read: convert the checkpoint and use {load}",
    "hub_module_trainable": "every weight is trained",
    "model_export_path": "use export_file_name",
    "use_fastgelu": "use {network}.hidden_act: gelu for the tanh form",
    "num_hidden_grops": "use {network}.num_hidden_groups",
    # Options of other commands.
    "vocab_path": f"{_CONVERTER}; here use vocab_file_path",
    "sp_model_file": f"{_CONVERTER}; here use spm_model_file",
    "tokenization": f"{_CONVERTER}; here use spm_model_file or vocab_file_path",
    "max_seq_length": f"{_CONVERTER}; here use {{network}}.seq_length",
    "fine_tuning_task_type": f"{_CONVERTER}; here use task_kind",
    "classification_task_name": f"{_CONVERTER}; here use task_name",
    "do_pred": "use do_predict",
    "task_type": f"{_ASCEND_310}; here use task_name",
    "max_query_length": _CONVERTER,
    "doc_stride": _CONVERTER,
    "input_dir": _CONVERTER,
    "input_data_dir": _CONVERTER,
    "output_dir": _CONVERTER,
    "shard_num": _CONVERTER,
    "train_file": _CONVERTER,
    "train_feature_file": _CONVERTER,
    "train_data_output_path": _CONVERTER,
    "eval_data_output_path": _CONVERTER,
    "run_script_dir": _LAUNCHER,
    "hyper_parameter_config_dir": _LAUNCHER,
    "hccl_config_dir": _LAUNCHER,
    "cmd_file": _LAUNCHER,
    "hccl_time_out": _LAUNCHER,
    "hccn_config_file": _LAUNCHER,
    "mindir_path": _ASCEND_310,
    "input0_path": _ASCEND_310,
    "input1_path": _ASCEND_310,
    "input2_path": _ASCEND_310,
    "input3_path": _ASCEND_310,
    "result_path": _ASCEND_310,
    "label_dir": _ASCEND_310,
    "result_dir": _ASCEND_310,
}

# Where a task has another answer than the others, or none to offer.
_BY_TASK: dict[str, dict[str, str]] = {
    "classifier": {},
    "squad": {
        "input_meta_data_path": _NOT_HERE,
        "fine_tuning_task_type": _CONVERTER,
        "classification_task_name": _CONVERTER,
        "task_type": _ASCEND_310,
    },
    "pretrain": {
        "mode": "training and evaluation are commands of their own: run_pretrain.py, pretrain_eval.py",
        "input_meta_data_path": _NOT_HERE,
        "predict_checkpoint_path": "use eval_ckpt",
        "num_eval_per_epoch": "use train_with_eval",
        "model_export_path": _NOT_HERE,
        "do_pred": _NOT_HERE,
        "vocab_path": _CONVERTER,
        "sp_model_file": _CONVERTER,
        "tokenization": _CONVERTER,
        "fine_tuning_task_type": _CONVERTER,
        "classification_task_name": _CONVERTER,
        "task_type": _ASCEND_310,
    },
}

# Values that a key no longer takes, in lower case.
REPLACED_VALUES: dict[tuple[str, str], str] = {
    ("optimizer", "thor"): REPLACED["Thor"],
}


def replacement(task: str, name: str) -> str | None:
    """Return what takes the place of a dotted key that ``task`` does not know, or ``None``."""
    text = _BY_TASK[task].get(name) or REPLACED.get(name)
    return text.format(**_WORDS[task]) if text is not None else None
