"""Runs and texts that predict.py must refuse."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import Fails, flip, write

ARGUMENTS: dict[str, tuple[list[Any], list[str]]] = {
    "empty text": (["good", ""], ["a text is empty", "give a text"]),
    "blank text": (["  "], ["a text is empty"]),
    "empty second text": (["good", "--text_b", ""], ["a text is empty"]),
    "second text of several": (["a", "b", "--text_b", "c"], ["exactly one text, not 2", "give one text"]),
    "batch size": (["a", "--batch_size", 0], ["--batch_size", "at least 1, not 0"]),
    "no checkpoint": (["a", "--checkpoint", "none.ckpt"], ["none.ckpt: no such checkpoint"]),
    "no file": (["--input", "none.txt"], ["none.txt: no such file", "check the path"]),
}

LINES: dict[str, tuple[bytes, list[str]]] = {
    "not UTF-8": (b"a film\n\xff\n", [":2:", "not UTF-8", "convert the file"]),
    "empty line": (b"a film\n\nanother\n", [":2:", "the line is empty", "one text a line"]),
    "three texts": (b"a\tb\n1\t2\t3\n", [":2:", "neither a text nor two", "correct the line"]),
    "half a pair": (b"a\t\n", [":1:", "neither a text nor two"]),
    "nothing": (b"", ["there is no text", "one text a line"]),
}


def edit(**keys: Any) -> Callable[[Path], None]:
    """Return a change of the run's description."""

    def change(run: Path) -> None:
        path = run / "assets" / "task.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    return change


def damage_all_weights(run: Path) -> None:
    for name in ("classifier-best.ckpt", "classifier-1_2.ckpt"):
        flip(run / "checkpoints" / name, 3000)


RUNS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "tags words": (edit(kind="token_classification"), ["the run tags words", "use predict.py ner"]),
    "no tokenizer": (edit(spm_model=""), ["holds no tokenizer", "give --spm_model_file or --vocab_file_path"]),
    "tokenizer missing": (lambda run: (run / "assets" / "tiny.model").unlink(), ["tiny.model", "No such file"]),
    "tokenizer garbage": (
        lambda run: write(run / "assets" / "tiny.model", "garbage" * 50),
        ["tiny.model", "not a SentencePiece model", "fetch it again"],
    ),
    "more labels than the network": (edit(labels=["a", "b", "c"]), ["2 of other shape", "dense_1.weight"]),
    "network": (edit(network={"vocab_size": "x"}), ["task.json: the file is damaged", "restore the file"]),
    "length": (edit(length="x"), ["task.json: the file is damaged"]),
    "kind": (edit(kind="poetry"), ["task.json: the file is damaged"]),
    "unknown key": (edit(colour="red"), ["task.json: the file is damaged"]),
    "no json": (lambda run: write(run / "assets" / "task.json", "{"), ["task.json: the file is damaged"]),
    "no description": (lambda run: (run / "assets" / "task.json").unlink(), ["there is no task.json"]),
    "no checkpoints": (lambda run: shutil.rmtree(run / "checkpoints"), ["has no checkpoint yet", "train first"]),
    "all weights damaged": (damage_all_weights, ["no checkpoint is whole", "another sha256"]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str, samples: Samples, fails: Fails) -> None:
    argv, fragments = ARGUMENTS[name]
    fails("predict", ["classify", "--run_dir", samples.run, *argv], *fragments)


@pytest.mark.parametrize("name", LINES)
def test_file_of_texts(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    content, fragments = LINES[name]
    path, output = write(tmp_path / "texts.txt", content), write(tmp_path / "answers.txt", "of yesterday\n")
    argv = ["classify", "--run_dir", samples.run, "--input", path, "--output", output]
    fails("predict", argv, path, *fragments)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["answers.txt", "texts.txt"]
    assert output.read_text() == "of yesterday\n"


@pytest.mark.parametrize("name", LINES)
def test_pipe(name: str, samples: Samples, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    content, fragments = LINES[name]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    fails("predict", ["classify", "--run_dir", samples.run], "stdin", *fragments)


def test_closed_stdin(samples: Samples, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    fails("predict", ["classify", "--run_dir", samples.run], "stdin is closed", "give a text, --input or a pipe")


@pytest.mark.parametrize("name", RUNS)
def test_run_directory(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    change, fragments = RUNS[name]
    run = Path(shutil.copytree(samples.run, tmp_path / "run"))
    change(run)
    fails("predict", ["classify", "--run_dir", run, "a good film"], run, *fragments)


def test_no_run_directory(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, samples.text):
        fails("predict", ["classify", "--run_dir", path, "a film"], path, "not a run directory", "environment.json")


def test_another_vocabulary(samples: Samples, fails: Fails) -> None:
    argv = ["classify", "--run_dir", samples.run, "--spm_model_file", samples.other_model, "a film"]
    fails("predict", argv, samples.other_model, "not the one that the run was trained with", "give the same file")


def test_places_for_the_answers(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv = ["classify", "--run_dir", samples.run, "a film", "--output"]
    fails("predict", [*argv, tmp_path], tmp_path, "a folder stands where the answers should go", "name a file")
    fails("predict", [*argv, samples.text / "below"], samples.text, "a file stands where a folder is needed")
