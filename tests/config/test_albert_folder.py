"""The documented data folder as keys of the configuration; MindSpore and the files' contents are not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError
from src.config.classifier import ClassifierConfig
from src.config.classifier_paths import with_paths
from src.config.load import PROJECT_ROOT, LoadedConfig, load_config

RECIPES = {size: PROJECT_ROOT / "configs" / f"mnli_v2_{size}.yaml" for size in ("base", "large")}
SHAPES = {
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
}
SHARED = {
    "attention_probs_dropout_prob": 0, "hidden_act": "gelu", "hidden_dropout_prob": 0, "embedding_size": 128,
    "initializer_range": 0.02, "max_position_embeddings": 512, "num_hidden_groups": 1, "net_structure_type": 0,
    "gap_size": 0, "num_memory_blocks": 0, "inner_group_num": 1, "down_scale_factor": 1, "type_vocab_size": 2,
    "vocab_size": 30000,
}  # fmt: skip


def make_model(root: Path, size: str, name: str = "", **changes: Any) -> Path:
    folder = root / (name or f"albert_{size}")
    folder.mkdir(parents=True)
    for file in ("30k-clean.model", "30k-clean.vocab", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"):
        (folder / file).write_bytes(b"")
    (folder / "albert_config.json").write_text(json.dumps({**SHARED, **SHAPES[size], **changes}))
    return folder


def make_data_set(root: Path, task: str = "MNLI", *more: str) -> Path:
    folder = root / f"{task}_dataset"
    folder.mkdir(parents=True)
    for file in ("train.tf_record", "eval.tf_record", "meta_data", *more):
        (folder / f"{task}_{file}").write_bytes(b"")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "albert_data"
    make_model(root, "base")
    make_model(root, "large")
    make_data_set(root)
    return root


def start(folder: Path | str, *more: str, size: str = "base") -> LoadedConfig[ClassifierConfig]:
    words = ["--overlay", str(RECIPES[size]), "--albert_data_dir", str(folder), *more]
    return with_paths(load_config("classifier", words))


def refused(folder: Path | str, *more: str, size: str = "base") -> str:
    with pytest.raises(ConfigError) as caught:
        start(folder, *more, size=size)
    error = caught.value
    assert error.what
    assert error.where
    assert error.fix
    return str(error)


@pytest.mark.parametrize("size", RECIPES)
def test_the_folder_gives_every_path(folder: Path, size: str) -> None:
    loaded = start(folder, size=size)
    values, model, data = loaded.values, folder / f"albert_{size}", folder / "MNLI_dataset"
    assert values.train_data_file_path == str(data / "MNLI_train.tf_record")
    assert values.eval_data_file_path == str(data / "MNLI_eval.tf_record")
    assert values.meta_data_file_path == str(data / "MNLI_meta_data")
    assert values.spm_model_file == str(model / "30k-clean.model")
    assert values.load_pretrain_checkpoint_path == str(model / "bert_model.ckpt")
    assert values.test_data_file_path == ""
    assert loaded.notices == ()
    plan = values.run_plan()
    assert (plan.train, plan.evaluate, plan.start_weights) == (True, True, str(model / "bert_model.ckpt"))


@pytest.mark.parametrize(("size", "rate", "epochs"), [("base", 2e-5, 3), ("large", 4e-6, 5)])
def test_the_recipes_are_the_documented_ones(size: str, rate: float, epochs: int) -> None:
    loaded = load_config("classifier", ["--overlay", str(RECIPES[size])])
    values, network = loaded.values, loaded.network().model_dump()
    assert (values.train_batch_size, values.eval_batch_size, values.epoch_num) == (4, 4, epochs)
    assert {key: network[key] for key in SHAPES[size]} == SHAPES[size]
    known = {key: value for key, value in SHARED.items() if key in network}
    assert {key: network[key] for key in known} == known
    assert (network["seq_length"], network["classifier_dropout_prob"]) == (128, 0)
    optimizer = loaded.optimizer(1000)
    assert (optimizer.name, optimizer.learning_rate, optimizer.end_learning_rate) == ("AdamWeightDecay", rate, 0)
    assert (optimizer.warmup_steps, optimizer.decay_steps, optimizer.power) == (100, 1000, 1)
    assert (optimizer.weight_decay, optimizer.eps, optimizer.beta1, optimizer.beta2) == (0.01, 1e-6, 0.9, 0.999)
    assert values.max_grad_norm == 1


def test_what_the_configuration_says_itself_is_kept(folder: Path) -> None:
    given = {
        "train_data_file_path": "mine", "eval_data_file_path": "held", "meta_data_file_path": "meta",
        "spm_model_file": "own.model", "load_pretrain_checkpoint_path": "own.ckpt",
    }  # fmt: skip
    values = start(folder, *[f"--{key}={value}" for key, value in given.items()]).values
    assert {key: getattr(values, key) for key in given} == given


def test_no_folder_changes_nothing() -> None:
    loaded = load_config("classifier", ["--train_data_file_path", "x"])
    assert with_paths(loaded) == loaded


def test_random_weights_leave_the_checkpoint_out(folder: Path) -> None:
    assert start(folder, "--from_scratch").values.load_pretrain_checkpoint_path == ""


def test_a_wordpiece_vocabulary(folder: Path) -> None:
    model = folder / "albert_base"
    (model / "30k-clean.model").unlink()
    (model / "vocab.txt").write_text("[PAD]\n")
    values = start(folder).values
    assert (values.spm_model_file, values.vocab_file_path) == ("", str(model / "vocab.txt"))


def test_another_name_of_the_checkpoint(folder: Path) -> None:
    model = folder / "albert_base"
    (model / "bert_model.ckpt.index").rename(model / "model.ckpt-best.index")
    (model / "._model.ckpt-best.index").write_bytes(b"")
    assert start(folder).values.load_pretrain_checkpoint_path == str(model / "model.ckpt-best")


def test_the_task_chooses_among_data_sets(folder: Path) -> None:
    other = make_data_set(folder, "SST-2", "test.tf_record")
    assert "MNLI_dataset" in start(folder).values.train_data_file_path
    values = start(folder, "--task_name", "sst2").values
    assert values.train_data_file_path == str(other / "SST-2_train.tf_record")
    assert values.test_data_file_path == str(other / "SST-2_test.tf_record")
    error = refused(folder, "--task_name", "")
    assert error.endswith("one data set is expected, there is MNLI_dataset, SST-2_dataset -> name one with task_name")
    error = refused(folder, "--task_name", "RTE")
    assert "there is no RTE_dataset -> change task_name; there is MNLI_dataset, SST-2_dataset" in error


CUSTOM = ["--albert_network=custom", *(f"--albert_net_cfg.{key}={value}" for key, value in SHAPES["base"].items())]


TINY = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 40}


def test_a_custom_network_is_that_of_its_folder(folder: Path, tmp_path: Path) -> None:
    make_model(folder, "base", "albert_tiny", **TINY, embedding_size=8)
    words = ["--albert_network=custom", "--custom_network_dir", "albert_tiny"]
    loaded = start(folder, *words)
    network = loaded.network().model_dump()
    assert {key: network[key] for key in (*TINY, "embedding_size")} == {**TINY, "embedding_size": 8}
    # Length and dropout are a matter of the training.
    assert (network["seq_length"], network["hidden_dropout_prob"]) == (128, 0)
    assert loaded.values.load_pretrain_checkpoint_path == str(folder / "albert_tiny" / "bert_model.ckpt")
    # Keys that are given are compared with the file, a default on the command line too.
    assert "num_hidden_layers is 3 there, 2 in albert_net_cfg" in refused(
        folder, *words, "--albert_net_cfg.num_hidden_layers=2"
    )
    assert "vocab_size is 40 there, 30000 in" in refused(folder, *words, "--albert_net_cfg.vocab_size=30000")
    overlay = tmp_path / "own.yaml"
    overlay.write_text("albert_net_cfg:\n  embedding_size: 9\n")
    assert "embedding_size is 8 there, 9 in" in refused(folder, *words, "--overlay", str(overlay))
    # A run keeps the sizes, and needs the folder no more.
    overlay.write_text(loaded.to_yaml())
    again = load_config("classifier", ["--config_path", str(overlay), "--albert_data_dir", ""])
    assert again.network() == loaded.network()


def test_custom_folders_that_do_not_fit(folder: Path) -> None:
    words = ["--albert_network=custom", "--custom_network_dir"]
    error = refused(folder, *words, "albert_none")
    assert "there is no folder albert_none -> choose it with custom_network_dir; there is albert_base, alb" in error
    model = make_model(folder, "base", "albert_tiny", hidden_size="16")
    error = refused(folder, *words, "albert_tiny")
    assert error.startswith(
        f"{model / 'albert_config.json'}: hidden_size is '16', not a number over 0 -> copy the file"
    )
    (model / "albert_config.json").unlink()
    assert refused(folder, *words, "albert_tiny").startswith(f"{model}: the folder lacks albert_config.json")


def test_a_custom_network_takes_the_only_model(folder: Path, tmp_path: Path) -> None:
    assert "there is albert_base, albert_large" in refused(folder, *CUSTOM)
    root = tmp_path / "other"
    make_model(root, "base", "albert_mine")
    make_data_set(root)
    assert start(root, "--albert_network=custom").network().hidden_size == 768
    assert "albert_mine" in start(root, *CUSTOM).values.load_pretrain_checkpoint_path


def test_dropout_that_differs_is_told(folder: Path) -> None:
    notices = start(folder, "--albert_version=v1").notices
    assert len(notices) == 2
    assert "says hidden_dropout_prob 0, this training has 0.1: albert_version v2 has none" in notices[0]


def test_folders_that_lack_something(folder: Path, tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no folder albert_base -> put the pre-trained model there, in a folder albert_base" in refused(
        empty
    )
    make_model(empty, "base")
    assert "there is no MNLI_dataset -> put the folder of its records there" in refused(empty)
    assert "choose the size with albert_network; there is albert_base" in refused(empty, size="large")
    model = folder / "albert_base"
    (model / "bert_model.ckpt.index").unlink()
    error = refused(folder)
    assert error.startswith(f"{model}: no TensorFlow checkpoint (one file *.index) is in this folder")
    # Who does not train needs none.
    values = start(folder, "--do_train=false", "--load_finetune_checkpoint_path=x.ckpt").values
    assert values.load_pretrain_checkpoint_path == ""
    (model / "albert_config.json").unlink()
    assert refused(folder).startswith(f"{model}: the folder lacks albert_config.json")


def test_a_configuration_of_another_network(tmp_path: Path) -> None:
    root = tmp_path / "data"
    make_data_set(root)
    model = make_model(root, "large", "albert_base")
    error = refused(root)
    assert error.startswith(f"{model / 'albert_config.json'}: it describes another network: hidden_size is 1024 there")
    assert "768 in albert_net_cfg" in error


@pytest.mark.parametrize(
    ("content", "expected"), [("{", "is no JSON"), ("[1]", "holds no JSON object"), ("", "no JSON")]
)
def test_a_damaged_configuration(folder: Path, content: str, expected: str) -> None:
    (folder / "albert_base" / "albert_config.json").write_text(content)
    assert expected in refused(folder)


@pytest.mark.parametrize(
    ("mode", "flags"),
    [("train_and_eval", (True, True, True)), ("predict", (False, False, True)), ("EXPORT_ONLY", (False, False, False))],
)
def test_the_mode_decides_the_flags(mode: str, flags: tuple[bool, ...]) -> None:
    words = ["--overlay", str(RECIPES["base"]), "--do_predict", "true", "--mode", mode]
    values = load_config("classifier", words).values
    assert (values.do_train, values.do_eval, values.do_predict) == flags
    assert values.mode == mode.lower()


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--mode: expected .*'train_and_eval'.*, got 'train'"):
        load_config("classifier", ["--mode", "train"])


def test_mode_predict(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    error = refused(folder, "--mode", "predict", "--run_dir", str(run))
    assert f"{run}/checkpoints/classifier-best.ckpt: mode predict needs the best checkpoint of a trained run" in error
    (run / "checkpoints").mkdir(parents=True)
    best = run / "checkpoints" / "classifier-best.ckpt"
    best.write_bytes(b"")
    values = start(folder, "--mode", "predict", "--run_dir", str(run)).values
    assert values.load_finetune_checkpoint_path == str(best)
    # As TensorFlow's code, it predicts the evaluation's rows where there are no others.
    assert values.test_data_file_path == str(folder / "MNLI_dataset" / "MNLI_eval.tf_record")
    values = start(folder, "--mode=predict", "--load_finetune_checkpoint_path=x", "--test_data_file_path=y").values
    assert (values.load_finetune_checkpoint_path, values.test_data_file_path) == ("x", "y")
    with pytest.raises(ConfigError, match="mode predict needs test_data_file_path, or eval_data_file_path"):
        with_paths(load_config("classifier", ["--mode=predict", "--run_dir", str(run)]))


def test_the_old_names_lead_to_the_new_ones() -> None:
    old = {
        "train_data_path": "train_data_file_path", "eval_data_path": "eval_data_file_path",
        "input_meta_data_path": "meta_data_file_path", "bert_config_file": "albert_net_cfg",
        "init_checkpoint": "load_pretrain_checkpoint_path", "num_train_epochs": "epoch_num",
        "learning_rate": "optimizer_cfg.AdamWeightDecay.learning_rate", "model_dir": "run_dir",
        "steps_per_loop": "data_sink_steps", "distribution_strategy": "distribute",
    }  # fmt: skip
    for name, new in old.items():
        with pytest.raises(ConfigError, match=rf"--{name}: .*{new}"):
            load_config("classifier", [f"--{name}=x"])
