"""What is exported: by a run directory, by a checkpoint inside one, or by a configuration alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mindspore as ms
import pytest

from src.common.errors import AlbertError, CheckpointError, ConfigError, DataError
from src.config.export_config import load_export_config
from src.export.heads import read_head
from src.export.shapes import input_specs
from src.export.source import ExportSource, find_source
from tests.entry.runs import arguments
from tests.export.export_runs import LABELS, LENGTH, config_keys, make_run, write_vocabulary
from tests.export.plans import plan_of

Runs = Callable[[str], Path]
YAML = {"classifier": "seed: 1\nnum_class: null\n", "squad": "squad_head: span\n", "pretrain": "epoch_size: 1\n"}


def checkpoint_of(run: Path) -> Path:
    return next((run / "checkpoints").glob("*-best.ckpt"))


def source(*keys: dict[str, Any], part: str = "model") -> ExportSource:
    return find_source(load_export_config(arguments(*keys)), plan_of(part=part))


def configured(folder: Path, kind: str, **keys: Any) -> dict[str, Any]:
    """Return keys that describe a kind of network by a yaml file, with a copy of its checkpoint that lies alone."""
    task, network = config_keys(kind)
    path = folder / f"{task}.yaml"
    path.write_text(YAML[task], encoding="utf-8")
    return {"config_path": path, **network, **keys}


@pytest.fixture
def alone(run_of: Runs, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives a kind's checkpoint outside of its run."""

    def copy(kind: str) -> Path:
        return Path(shutil.copy(checkpoint_of(run_of(kind)), tmp_path / f"{kind}.ckpt"))

    return copy


@pytest.mark.parametrize("kind", ["classification", "beam", "pretraining"])
def test_a_run_gives_everything(run_of: Runs, kind: str) -> None:
    run = run_of(kind)
    for keys in ({"run_dir": run}, {"export_ckpt_file": checkpoint_of(run)}, {"config_path": run / "config.yaml"}):
        found = source(keys)
        assert found.checkpoint.resolve() == checkpoint_of(run).resolve()
        assert (found.task.kind, found.task.labels) == (
            {"beam": "squad"}.get(kind, kind),
            LABELS.get(kind, ()),
        )
        assert Path(found.vocab_file_path).resolve() == (run / "assets" / "vocab.txt").resolve()


def test_a_checkpoint_in_a_run_is_described_by_it_whatever_the_yaml_says(run_of: Runs, tmp_path: Path) -> None:
    keys = configured(tmp_path, "classification", num_class=2)
    found = source(keys, {"export_ckpt_file": checkpoint_of(run_of("classification"))})
    assert found.task.labels == LABELS["classification"]


@pytest.mark.parametrize("kind", ["classification", "regression", "span", "beam", "pretraining"])
def test_a_configuration_describes_a_checkpoint(alone: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    keys = configured(tmp_path, kind, export_ckpt_file=alone(kind), vocab_file_path=vocabulary)
    found = source(keys)
    assert found.run is None
    assert found.task.kind == {"span": "squad", "beam": "squad"}.get(kind, kind)
    assert found.task.labels == {"classification": ("0", "1", "2")}.get(kind, ())
    assert (found.task.length, found.task.buckets) == (LENGTH, (LENGTH,))
    assert len(found.task.tokenizer_sha256) == 64
    assert (found.task.answers is None) == (kind not in ("span", "beam"))
    assert source(keys, part="encoder").task.kind == "pretraining"


def test_tags_and_names_of_tasks(alone: Callable[[str], Path], tmp_path: Path) -> None:
    tags = configured(tmp_path, "token_classification", export_ckpt_file=alone("token_classification"))
    assert source(tags, {"task_kind": "token_classification"}).task.labels == ("0", "1", "2", "3", "4")
    three = configured(tmp_path, "classification", export_ckpt_file=alone("classification"))
    assert source(three, {"task_name": "mnli"}).task.labels == ("contradiction", "entailment", "neutral")
    assert source(three, {"num_class": 3}).task.labels == ("0", "1", "2")
    scores = configured(tmp_path, "regression", export_ckpt_file=alone("regression"))
    assert source(scores, {"task_name": "sts-b"}).task.kind == "regression"


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "two classes": ("classification", {"num_class": 2}, "the head has 3 outputs, and the configuration .* asks for 2"),
    "a task of two": ("classification", {"task_name": "sst-2"}, "the head has 3 outputs"),
    "scores": ("classification", {"task_kind": "regression"}, "the head has 3 outputs"),
    "classes of scores": ("regression", {"task_name": "rte"}, "the head has 1 outputs"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_labels_that_the_head_does_not_have(alone: Callable[[str], Path], tmp_path: Path, case: str) -> None:
    kind, keys, message = WRONG[case]
    with pytest.raises(CheckpointError, match=message):
        source(configured(tmp_path, kind, export_ckpt_file=alone(kind)), keys)


def test_scores_have_no_class_names(alone: Callable[[str], Path], tmp_path: Path) -> None:
    keys = configured(tmp_path, "regression", export_ckpt_file=alone("regression"))
    with pytest.raises(ConfigError, match="STS-B has scores, not classes"):
        source(keys, {"task_name": "sts-b", "task_kind": "classification"})


@pytest.mark.parametrize(
    ("configuration", "kind", "message"),
    [
        ("classification", "span", "--config_path task_squad_config.yaml"),
        ("span", "classification", "--config_path task_classifier_config.yaml"),
        ("span", "beam", "--squad_head beam --version_2_with_negative true"),
        ("beam", "span", "--config_path task_squad_config.yaml"),
        ("classification", "pretraining", "--config_path pretrain_config.yaml"),
        ("pretraining", "classification", "--config_path task_classifier_config.yaml"),
    ],
)
def test_a_checkpoint_of_another_task(
    alone: Callable[[str], Path], tmp_path: Path, configuration: str, kind: str, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        source(configured(tmp_path, configuration, export_ckpt_file=alone(kind)))


def test_a_backbone_has_no_head_to_export(run_of: Runs, tmp_path: Path) -> None:
    entries = ms.load_checkpoint(str(checkpoint_of(run_of("classification"))))
    backbone = [{"name": name, "data": value} for name, value in entries.items() if "dense_1" not in name]
    path = tmp_path / "backbone.ckpt"
    ms.save_checkpoint(backbone, str(path))
    assert read_head(path).name == ""
    keys = configured(tmp_path, "classification", export_ckpt_file=path)
    with pytest.raises(CheckpointError, match="a backbone without a head -> set --export_part encoder"):
        source(keys)
    assert source(keys, part="encoder").task.kind == "pretraining"


def test_the_weights_of_another_run_are_refused_for_their_head_only(run_of: Runs) -> None:
    keys = {"run_dir": run_of("classification"), "export_ckpt_file": checkpoint_of(run_of("span"))}
    with pytest.raises(CheckpointError, match="another task"):
        source(keys)
    assert source(keys, part="encoder").task.kind == "classification"


def test_the_run_decides_about_its_network(run_of: Runs) -> None:
    run = run_of("classification")
    with pytest.raises(ConfigError, match="hidden_size: the run was trained with hidden_size 16, not 8"):
        source({"run_dir": run, "albert_net_cfg.hidden_size": 8})
    half = source({"run_dir": run, "albert_net_cfg.compute_type": "float16"})
    assert half.task.network_config().compute_type == "float16"
    assert source({"run_dir": run, "albert_net_cfg.seq_length": 8}).task.length == LENGTH


SAD: dict[str, tuple[dict[str, Any], type[AlbertError], str]] = {
    "missing": ({"export_ckpt_file": "missing.ckpt"}, CheckpointError, "no such checkpoint"),
    "a folder": ({"export_ckpt_file": "folder.ckpt"}, CheckpointError, "this is a folder"),
    "another file": ({"export_ckpt_file": "classifier.yaml"}, CheckpointError, "unknown kind of checkpoint"),
    "none": ({"description": "no such run"}, ConfigError, "no checkpoint is given"),
}


@pytest.mark.parametrize("case", list(SAD))
def test_checkpoints_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.ckpt").mkdir()
    keys, error, message = SAD[case]
    with pytest.raises(error, match=message):
        source(configured(tmp_path, "classification"), keys)


def test_a_truncated_checkpoint(alone: Callable[[str], Path], tmp_path: Path) -> None:
    path = alone("classification")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match=r"cut off|damaged"):
        source(configured(tmp_path, "classification", export_ckpt_file=path))


def test_a_run_without_checkpoint_or_with_another_vocabulary(run_of: Runs, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of("classification"), tmp_path / "run"))
    vocabulary = run / "assets" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace("film", "fulm"), encoding="utf-8")
    with pytest.raises(DataError, match="not the one that the run was trained with"):
        source({"run_dir": run})
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CheckpointError, match="the run has no checkpoint yet"):
        source({"run_dir": run})


def test_a_run_without_a_vocabulary_takes_the_one_that_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "classification", None)
    assert source({"run_dir": run}).vocab_file_path == ""
    vocabulary = tmp_path / "vocab.txt"
    assert source({"run_dir": run, "vocab_file_path": vocabulary}).vocab_file_path == str(vocabulary)


def test_a_vocabulary_that_is_given_counts_before_that_of_the_run(run_of: Runs, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of("classification"), tmp_path / "run"))
    same = write_vocabulary(tmp_path / "same.txt")
    assert source({"run_dir": run, "vocab_file_path": same}).vocab_file_path == str(same)
    (run / "assets" / "vocab.txt").unlink()
    assert source({"run_dir": run, "vocab_file_path": same}).vocab_file_path == str(same)
    same.write_text(same.read_text(encoding="utf-8").replace("film", "fulm"), encoding="utf-8")
    with pytest.raises(DataError, match="not the one that the run was trained with"):
        source({"run_dir": run, "vocab_file_path": same})


def test_a_yaml_file_that_is_not_that_of_the_run(run_of: Runs, tmp_path: Path) -> None:
    run = run_of("classification")
    keys = {"run_dir": run, **configured(tmp_path, "span")}
    with pytest.raises(ConfigError, match=r"this is a file for squad, and .* a run of classifier -> leave it out"):
        source(keys)
    same = {"run_dir": run, **configured(tmp_path, "classification")}
    assert source(same).task.labels == LABELS["classification"]
    with pytest.raises(ConfigError, match="the run was trained with hidden_size 16, not 8"):
        source(same, {"albert_net_cfg.hidden_size": 8})


def test_places_of_masks_that_a_row_does_not_have(run_of: Runs) -> None:
    few, many = plan_of(predictions=LENGTH, asks_predictions=True), plan_of(predictions=17, asks_predictions=True)
    masked, labelled = (source({"run_dir": run_of(kind)}).task for kind in ("pretraining", "classification"))
    assert input_specs(masked, few, LENGTH)[3].shape == (1, LENGTH)
    assert input_specs(masked, replace(many, asks_predictions=False), LENGTH)[3].shape == (1, 17)
    with pytest.raises(ConfigError, match=r"a row of 16 tokens has no 17 places of \[MASK\] -> give 16 or less"):
        input_specs(masked, many, LENGTH)
    assert len(input_specs(labelled, plan_of(), LENGTH)) == 3
    for task, plan in ((labelled, few), (masked, replace(few, part="encoder"))):
        with pytest.raises(ConfigError, match="export_predictions: this network is not asked for words"):
            input_specs(task, plan, LENGTH)
