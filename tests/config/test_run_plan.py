"""What both schemas make of their keys: one form for the commands."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from src.common.errors import ConfigError
from src.config.load import load_config
from src.config.run_plan import RunPlan


def plan_of(task: Any, **keys: Any) -> RunPlan:
    values = load_config(task, [text for key, value in keys.items() for text in (f"--{key}", str(value))]).values
    return values.run_plan()  # type: ignore[no-any-return]


def test_pretraining_by_default() -> None:
    assert plan_of("pretrain") == RunPlan(
        train=True,
        evaluate=False,
        predict=False,
        epochs=40,
        train_steps=-1,
        batch_size=256,
        eval_steps=1000,
        save_steps=10000,
        save=True,
        keep=1,
        start_weights="",
        start_weights_key="load_checkpoint_path",
        start_heads=True,
        random_start=True,
        scored_weights="",
        checkpoint_folder="",
        checkpoint_folder_key="save_checkpoint_path",
    )


def test_every_key_of_pretraining_reaches_its_place() -> None:
    keys = {
        "train_with_eval": "true",
        "eval_data_dir": "held",
        "epoch_size": 3,
        "train_steps": 5,
        "batch_size": 7,
        "eval_steps": 0,
        "save_checkpoint_steps": 9,
        "enable_save_ckpt": "false",
        "save_checkpoint_num": 4,
        "load_checkpoint_path": "first.ckpt",
        "eval_ckpt": "scored.ckpt",
        "save_checkpoint_path": "kept",
    }
    plan = plan_of("pretrain", **keys)
    assert (plan.evaluate, plan.epochs, plan.train_steps, plan.batch_size) == (True, 3, 5, 7)
    assert (plan.eval_steps, plan.save_steps, plan.save, plan.keep) == (0, 9, False, 4)
    assert (plan.start_weights, plan.scored_weights, plan.checkpoint_folder) == ("first.ckpt", "scored.ckpt", "kept")


def test_every_key_of_fine_tuning_reaches_its_place() -> None:
    keys = {
        "do_train": "true",
        "train_data_file_path": "a",
        "do_eval": "true",
        "eval_data_file_path": "b",
        "do_predict": "true",
        "test_data_file_path": "c",
        "epoch_num": 3,
        "train_steps": 5,
        "train_batch_size": 7,
        "save_checkpoint_steps": 9,
        "save_checkpoint_num": 4,
        "load_pretrain_checkpoint_path": "first.ckpt",
        "save_finetune_checkpoint_path": "kept",
    }
    plan = plan_of("classifier", **keys)
    assert (plan.train, plan.evaluate, plan.predict, plan.save) == (True, True, True, True)
    assert (plan.epochs, plan.train_steps, plan.batch_size) == (3, 5, 7)
    assert (plan.save_steps, plan.keep, plan.start_weights, plan.start_heads) == (9, 4, "first.ckpt", False)
    assert plan.random_start is False
    assert (plan.checkpoint_folder, plan.checkpoint_folder_key) == ("kept", "save_finetune_checkpoint_path")


@pytest.mark.parametrize("task", ["pretrain", "classifier"])
def test_the_keys_that_a_plan_names_are_keys(task: Any) -> None:
    plan = plan_of(task)
    for field in fields(plan):
        if field.name.endswith("_key"):
            assert hasattr(load_config(task, []).values, getattr(plan, field.name))


@pytest.mark.parametrize(("epochs", "train_steps", "expected"), [(3, -1, 30), (3, 7, 7), (3, 70, 70)])
def test_steps_of_the_whole_training(epochs: int, train_steps: int, expected: int) -> None:
    assert plan_of("pretrain", epoch_size=epochs, train_steps=train_steps).total_steps(10) == expected


@pytest.mark.parametrize(
    ("network", "size"), [("base", 256), ("large", 24), ("xlarge", 24), ("xxlarge", 12), ("custom", 9)]
)
def test_the_batch_size_is_that_of_the_network(network: str, size: int) -> None:
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    keys = {f"custom_net_cfg.{name}": value for name, value in shape.items()} if network == "custom" else {}
    keys |= {"albert_network": network, "custom_batch_size": 9}
    assert plan_of("pretrain", **keys).batch_size == size
    assert plan_of("pretrain", **keys, batch_size=3).batch_size == 3


# Options of run_pretrain.py and what must stand in the message.
WRONG = {
    "evaluation without records": (["--train_with_eval", "true"], "train_with_eval needs eval_data_dir"),
    "nothing to resume": (["--resume", "true", "--enable_save_ckpt", "false"], "saves nothing cannot be resumed"),
    "resume and overwrite": (["--resume", "true", "--overwrite", "true"], "exclude each other"),
    "processes without distribute": (["--device_num", "2"], "set distribute to true and start with launch.py"),
    "no device": (["--distribute", "true", "--device_num", "0"], "device_num: must be >= 1"),
    "reduction of every micro-batch": (["--allreduce_post_accumulation", "false"], "is always true"),
    "no batch": (["--batch_size", "0"], "batch_size: must be >= 1"),
    "no save": (["--save_checkpoint_steps", "0"], "save_checkpoint_steps: must be >= 1"),
    "no checkpoint kept": (["--save_checkpoint_num", "0"], "save_checkpoint_num: must be >= 1"),
    "no row scored": (["--eval_samples", "0"], "eval_samples: must be >= 1"),
    "no steps": (["--train_steps", "0"], "trains nothing"),
    "bucket too long": (["--bucket_list", "[600]"], "longer than seq_length 512"),
    "key of fine-tuning": (["--epoch_num", "3"], "epoch_size"),
    "unknown key": (["--eval_dir", "x"], "did you mean"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_of_pretraining(case: str) -> None:
    options, expected = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        load_config("pretrain", options)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["classifier", "squad"])
def test_fine_tuning_takes_batches_from_a_queue_where_there_is_one(task: Any) -> None:
    on = {"enable_data_sink": "true", "data_sink_steps": 20}
    assert plan_of(task, device_target="Ascend", **on).sink_steps == 20
    assert plan_of(task, device_target="GPU", enable_data_sink="true").sink_steps == 1
    for other in ({"device_target": "CPU"}, {"device_target": "Ascend", "bucket_list": "[64]"}):
        assert plan_of(task, **on, **other).sink_steps == 0
    assert plan_of(task, device_target="Ascend", data_sink_steps=20).sink_steps == 0
