"""Record files that run_classifier.py must refuse: damaged, or not fitting each other or the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import Fails, cut, flip, write


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def halve(path: Path) -> None:
    cut(path, path.stat().st_size // 2)


def spoil(path: Path) -> None:
    flip(path, path.stat().st_size // 2)


def without_manifest(damage: Callable[[Path], Any]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        beside(path, ".manifest.json").unlink()
        damage(path)

    return change


def edit(**keys: Any) -> Callable[[Path], None]:
    """Return a change of the manifest."""

    def change(path: Path) -> None:
        place = beside(path, ".manifest.json")
        place.write_text(json.dumps(json.loads(place.read_text()) | keys))

    return change


def write_manifest(content: bytes) -> Callable[[Path], None]:
    return lambda path: void(write(beside(path, ".manifest.json"), content))


def void(_: object) -> None:
    """Forget a result."""


def take_manifest_of_scores(path: Path) -> None:
    samples = json.loads(beside(path, ".manifest.json").read_text())
    samples["files"] = [file | {"name": f"scores{file['name'].removeprefix('films')}"} for file in samples["files"]]
    write_manifest(json.dumps(samples).encode())(path)


DAMAGE: dict[str, tuple[str, Callable[[Path], Any], list[str]]] = {
    "MindRecord cut off": ("mindrecord", halve, ["bytes, its manifest says", "convert the data again"]),
    "MindRecord bit": ("mindrecord", spoil, ["damaged or changed", "sha256"]),
    "MindRecord cut off, no manifest": ("mindrecord", without_manifest(halve), ["lies outside the file", "cut off"]),
    "MindRecord header": ("mindrecord", without_manifest(lambda path: flip(path, 100)), ["header is damaged"]),
    "TFRecord cut off": ("tfrecord", halve, ["bytes, its manifest says", "restore the files"]),
    "TFRecord bit": ("tfrecord", spoil, ["damaged or changed", "sha256"]),
    "TFRecord bit, no manifest": ("tfrecord", without_manifest(lambda path: flip(path, 40)), ["record 0", "checksum"]),
    "TFRecord head, no manifest": ("tfrecord", without_manifest(lambda path: cut(path, 20)), ["record 0", "cut off"]),
    "index missing": ("mindrecord", lambda path: beside(path, ".db").unlink(), [".db", "is missing"]),
    "index missing, no manifest": (
        "mindrecord",
        without_manifest(lambda path: beside(path, ".db").unlink()),
        [".db", "index file", "keep both files"],
    ),
    "index garbage": (
        "mindrecord",
        without_manifest(lambda path: write(beside(path, ".db"), "no database" * 9)),
        [".db", "index file of the MindRecord is damaged"],
    ),
    "empty": ("mindrecord", without_manifest(lambda path: cut(path, 0)), ["the file is empty", "convert"]),
    "manifest: rows": ("mindrecord", edit(rows=7), ["24 rows, its manifest says 7"]),
    "manifest: type": ("mindrecord", edit(rows="many"), [".manifest.json", "rows", "valid integer"]),
    "manifest: kind": ("mindrecord", edit(kind="regression"), [".manifest.json", "not those of kind regression"]),
    "manifest: labels twice": ("mindrecord", edit(labels=["good", "good"]), ["a class name occurs twice"]),
    "manifest: too few labels": ("mindrecord", edit(labels=["good"]), ["record 0", "only 1 classes"]),
    "manifest: other order": ("mindrecord", edit(labels=["good", "bad"]), ["list of labels", "convert all splits"]),
    "manifest: version": ("mindrecord", edit(format_version=9), [".manifest.json", "format_version"]),
    "manifest: no json": ("mindrecord", write_manifest(b"{"), [".manifest.json", "not valid"]),
    "manifest: not UTF-8": ("mindrecord", write_manifest(b"\xff"), [".manifest.json", "cannot read the manifest"]),
    "manifest of another file": ("mindrecord", take_manifest_of_scores, ["scores_train.mindrecord", "old name"]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    suffix, damage, fragments = DAMAGE[name]
    path = samples.copy_records(tmp_path / "my data", suffix=suffix)
    damage(path)
    fails("run", samples.train(tmp_path / "run", train=path), path.parent, *fragments)
    assert not (tmp_path / "run").exists()


# Options of a sound run that do not fit its sound data.
UNFIT: dict[str, tuple[str, list[Any], list[str]]] = {
    "vocabulary too small": ("films", ["--albert_net_cfg.vocab_size", 20], ["record 0", "0..19", "vocab_size"]),
    "rows too long": ("films", ["--albert_net_cfg.seq_length", 8], ["record 0", "16 tokens, at most 8", "seq_length"]),
    "too few classes": ("films", ["--num_class", 1], ["2 classes", "only 1", "set num_class to 2"]),
    "too many classes": ("films", ["--num_class", 5], ["bad, good", "num_class is 5", "leave it out"]),
    "classes of scores": ("scores", ["--num_class", 3], ["regression has 1 output, not 3", "leave it out"]),
    "kind": ("films", ["--task_kind", "regression"], ["are for classification, regression expected"]),
    "metric of scores": ("films", ["--assessment_method", "pearson"], ["pearson is no metric", "choose one of acc"]),
    "metric of classes": ("scores", ["--assessment_method", "f1"], ["f1 is no metric of a regression", "choose"]),
    "metric of sentences": (
        "words",
        ["--assessment_method", "mcc"],
        ["mcc is no metric of a token", "choose one of f1"],
    ),
    "task of three classes": ("films", ["--task_name", "MNLI"], ["entailment", "the data have bad, good", "leave it"]),
    "task of scores": ("films", ["--task_name", "STS-B"], ["task_name", "STS-B is a regression task", "leave it out"]),
}


@pytest.mark.parametrize("name", UNFIT)
def test_options_that_do_not_fit_the_data(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    task, options, fragments = UNFIT[name]
    train, dev = samples.records(task), samples.records(task, "dev")
    fails("run", samples.train(tmp_path / "run", *options, train=train, dev=dev), *fragments)
    assert not (tmp_path / "run").exists()


def test_file_that_is_no_record_file(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    def refuse(path: object, *fragments: object) -> None:
        fails("run", [*samples.train(tmp_path / "run"), "--train_data_file_path", path], *fragments)

    refuse(tmp_path / "none", tmp_path / "none", "no such file", "check the path")
    refuse(tmp_path, tmp_path, "Is a directory")
    refuse(samples.text, samples.text, "neither a MindRecord nor a TFRecord", "check the file")
    refuse(beside(samples.records(), ".db"), ".db", "neither a MindRecord")
    refuse(tmp_path / "*.mindrecord", "no record file matches the pattern", "check the pattern")
    assert not (tmp_path / "run").exists()


def test_splits_that_do_not_belong_together(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    run = tmp_path / "run"
    other = samples.records("scores", "dev")
    fails("run", samples.train(run, dev=other), other, "its kind is regression", "convert all splits in one go")
    for name in ("train", "dev"):
        shutil.copy(samples.folder / f"{name}.tsv", tmp_path)
    text = tmp_path / "train.tsv"
    splits = ["--dev_file", tmp_path / "dev.tsv"]
    for folder, options in (
        ("labels", ["--labels", "good,bad"]),
        ("vocabulary", ["--spm_model_file", samples.other_model]),
    ):
        convert = samples.convert(tmp_path / folder, text, *splits, *options)
        samples.must_run("convert", convert)
    dev = tmp_path / "labels" / "films_dev.mindrecord"
    fails("run", samples.train(run, dev=dev), dev, "list of labels", "convert all splits in one go")
    dev = tmp_path / "vocabulary" / "films_dev.mindrecord"
    fails("run", samples.train(run, dev=dev), dev, "tokenizer's sha256", "convert all splits in one go")
    assert not run.exists()


def test_vocabulary_of_other_records(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv = [*samples.train(tmp_path / "run"), "--spm_model_file"]
    fails("run", [*argv, samples.other_model], samples.other_model, "made with (tiny.model)", "set spm_model_file")
    garbage = write(tmp_path / "garbage.model", "garbage" * 50)
    fails("run", [*argv, garbage], garbage, "not a SentencePiece model", "fetch it again")
    assert not (tmp_path / "run").exists()


def test_looking_at_records(samples: Samples, fails: Fails) -> None:
    argv = ["--inspect", 3, "--spm_model_file"]
    fails("convert", [*argv, samples.model, "--input", samples.text], samples.text, "neither a MindRecord nor")
    other = [*argv, samples.other_model, "--input", samples.records()]
    fails("convert", other, "was made with tiny.model", "not with other.model", "give tiny.model")
