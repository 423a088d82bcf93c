"""Every option of the model zoo's README, its yaml files and its scripts, in the order in which they have them."""

from __future__ import annotations

from tests.config.option_rows import ALL, FINETUNE, NETWORK, Group, optimizer, refused, rows

ZOO = "model zoo"

_PRETRAIN = rows(
    """
    device_target         | devices  | runtime/test_device.py:setup_device
    distribute            | two      | entry/test_pretraining_ranks.py:launch
    epoch_size            | cpu      | entry/test_pretraining.py
    device_num            | two      | runtime/test_launch_mindspore.py
    device_id             | devices  | runtime/test_device.py
    enable_save_ckpt      | cpu      | entry/test_pretraining.py
    enable_lossscale      | cpu      | config/test_load.py
    do_shuffle            | cpu      | tasks/test_pretrain.py
    enable_data_sink      | recorder | config/test_run_plan.py
    data_sink_steps       | recorder | config/test_run_plan.py
    accumulation_steps    | cpu      | tasks/test_pretrain.py
    save_checkpoint_path  | cpu      | entry/test_pretraining.py
    load_checkpoint_path  | cpu      | entry/test_pretraining.py
    save_checkpoint_steps | cpu      | entry/test_pretraining.py
    save_checkpoint_num   | cpu      | entry/pretraining_support.py
    train_steps           | cpu      | entry/test_pretraining.py
    data_dir              | cpu      | entry/test_pretraining.py
    schema_dir            | cpu      | entry/bad_input/test_bad_pretraining.py
    """
)
_PRETRAIN_YAML = rows(
    """
    description      | cpu  | tasks/test_pretrain.py
    albert_network   | cpu  | config/test_presets.py
    batch_size       | cpu  | tasks/test_pretrain.py
    train_with_eval  | cpu  | tasks/test_pretrain.py
    eval_data_dir    | cpu  | entry/test_pretraining.py
    eval_ckpt        | cpu  | entry/test_pretraining.py
    eval_samples     | cpu  | tasks/test_pretrain.py
    schema_file      | cpu  | config/test_documented.py
    allreduce_post_accumulation | accepted | config/test_documented.py
    bucket_list      | cpu  | entry/test_pretraining.py
    base_batch_size  | cpu  | config/test_documented.py
    large_batch_size | cpu  | config/test_documented.py
    xlarge_batch_size | cpu | config/test_documented.py
    xxlarge_batch_size | cpu | config/test_documented.py
    base_net_cfg     | cpu  | config/test_load.py
    large_net_cfg    | cpu  | config/test_documented.py
    xlarge_net_cfg   | cpu  | config/test_documented.py
    xxlarge_net_cfg  | cpu  | config/test_documented.py
    AdamWeightDecay  | cpu  | train/test_optimizers.py
    Lamb             | cpu  | train/test_optimizers.py
    Momentum         | cpu  | train/test_optimizers.py
    """
) + refused("bert_network bert_net_cfg Thor enable_global_norm")
_FINETUNE = rows(
    """
    device_target                 | devices | runtime/test_device.py:setup_device
    do_train                      | cpu     | entry/runs.py
    do_eval                       | cpu     | entry/runs.py
    device_id                     | devices | runtime/test_device.py
    epoch_num                     | cpu     | entry/test_fine_tuning.py
    train_data_shuffle            | cpu     | tasks/test_squad.py
    eval_data_shuffle             | cpu     | tasks/test_classifier.py
    save_finetune_checkpoint_path | cpu     | tasks/test_weights_choice.py
    load_pretrain_checkpoint_path | cpu     | entry/test_fine_tuning.py
    load_finetune_checkpoint_path | cpu     | entry/test_run_classifier.py
    train_data_file_path          | cpu     | entry/test_real_tasks.py
    spm_model_file                | cpu     | tasks/test_assets.py
    schema_file_path              | accepted | config/test_errors.py
    """
)
_SQUAD = rows(
    """
    num_class                 | accepted | entry/bad_input/test_bad_squad.py
    vocab_file_path           | cpu      | tasks/test_squad.py
    eval_json_path            | cpu      | tasks/test_squad.py
    predict_feature_left_file | cpu      | entry/test_run_squad.py
    """
)
_CLASSIFIER = rows(
    """
    num_class           | cpu | tasks/test_classifier_data.py
    assessment_method   | cpu | entry/test_run_classifier.py
    eval_data_file_path | cpu | tasks/test_classifier.py
    vocab_file_path     | cpu | tasks/test_classifier.py
    """
)
_FINETUNE_YAML = rows(
    """
    description      | cpu | config/test_load.py
    distribute       | two | entry/test_fine_tuning_ranks.py:device_num
    device_num       | two | entry/test_fine_tuning_ranks.py
    train_batch_size | cpu | tasks/test_squad.py
    eval_batch_size  | cpu | tasks/test_classifier.py
    optimizer_cfg    | cpu | config/test_load.py
    albert_net_cfg   | cpu | config/test_load.py
    """
) + refused("bert_network batch_size")
_LOSS_SCALE = rows(
    """
    loss_scale_value | cpu | entry/test_pretraining.py
    scale_factor     | cpu | config/test_load.py:factor
    scale_window     | cpu | entry/test_pretraining.py
    """
)
_NETWORK = rows(
    """
    seq_length                   | cpu | config/test_load.py
    vocab_size                   | cpu | model/test_names.py
    hidden_size                  | cpu | model/test_albert_model.py
    num_hidden_layers            | cpu | model/test_albert_model.py
    num_attention_heads          | cpu | model/test_attention.py
    intermediate_size            | cpu | model/test_names.py
    hidden_act                   | cpu | parity/reference.py
    hidden_dropout_prob          | cpu | model/test_albert_model.py
    attention_probs_dropout_prob | cpu | model/test_albert_model.py
    max_position_embeddings      | cpu | model/test_albert_model.py
    type_vocab_size              | cpu | model/test_names.py
    initializer_range            | cpu | model/test_albert_model.py
    use_relative_positions       | cpu | model/test_attention.py
    dtype                        | cpu | config/test_errors.py
    compute_type                 | cpu | model/test_sixteen_bit.py
    num_hidden_groups            | cpu | model/test_albert_model.py
    inner_group_num              | cpu | model/test_albert_model.py
    embedding_size               | cpu | model/test_pretraining.py
    """
)
_SCHEDULED = rows(
    """
    decay_steps       | cpu | train/test_schedule.py
    learning_rate     | cpu | train/test_optimizers.py
    end_learning_rate | cpu | train/test_optimizers.py
    power             | cpu | train/test_schedule.py
    warmup_steps      | cpu | train/test_schedule.py
    weight_decay      | cpu | train/test_optimizers.py
    decay_filter      | cpu | train/test_optimizers.py
    eps               | cpu | train/test_optimizers.py
    """
)
_MODELARTS = rows(
    """
    enable_modelarts | server  | entry/test_modelarts.py
    data_url         | server  | entry/test_modelarts.py
    train_url        | server  | entry/test_modelarts.py
    checkpoint_url   | server  | entry/test_modelarts.py
    data_path        | server  | entry/test_modelarts.py
    output_path      | server  | entry/test_modelarts.py
    load_path        | server  | entry/test_modelarts.py
    enable_profiling | devices | config/test_ascend_keys.py
    """
)
_EXPORT = rows(
    """
    export_batch_size | cpu | entry/test_export.py
    export_ckpt_file  | cpu | entry/test_export.py
    export_file_name  | cpu | entry/test_export.py
    file_format       | cpu | export/test_exports.py
    """
)
ZOO_GROUPS: tuple[Group, ...] = (
    Group(ZOO, "run_pretrain.py", ("run_pretrain.py",), _PRETRAIN),
    Group(ZOO, "pretrain_config.yaml", ("run_pretrain.py",), _PRETRAIN_YAML),
    Group(ZOO, "run_classifier.py, run_squad_v1.py", FINETUNE, _FINETUNE),
    Group(ZOO, "run_squad_v1.py", ("run_squad_v1.py",), _SQUAD),
    Group(ZOO, "run_classifier.py", ("run_classifier.py",), _CLASSIFIER),
    Group(ZOO, "task_classifier_config.yaml, task_squad_config.yaml", FINETUNE, _FINETUNE_YAML),
    Group(ZOO, "loss scale", ALL, _LOSS_SCALE),
    Group(
        ZOO,
        "optimizer",
        ALL,
        rows("optimizer | cpu | config/test_load.py"),
        (("classifier", "optimizer_cfg."), ("squad", "optimizer_cfg.")),
    ),
    Group(ZOO, "parameters of the network", ALL, _NETWORK, NETWORK),
    Group(ZOO, "AdamWeightDecay", ALL, _SCHEDULED, optimizer("AdamWeightDecay")),
    Group(
        ZOO,
        "Lamb",
        ALL,
        _SCHEDULED + rows("beta1 | cpu | train/test_optimizers.py\nbeta2 | cpu | train/test_optimizers.py:beta"),
        optimizer("Lamb"),
    ),
    Group(
        ZOO,
        "Momentum",
        ALL,
        rows("learning_rate | cpu | train/test_optimizers.py\nmomentum | cpu | train/test_optimizers.py"),
        optimizer("Momentum"),
    ),
    Group(ZOO, "ModelArts and profiling", ALL, _MODELARTS),
    Group(ZOO, "export.py", ALL, _EXPORT),
)
