"""predict.py fill-mask as its users call it, and what it must refuse."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.predict.shown import shown
from tests.entry.runs import Outcome, call, read_jsonl
from tests.tasks.pretrain_runs import SPECIAL, WORDS, make_run, write_vocabulary


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vocabulary(tmp_path_factory.mktemp("words") / "vocab.txt")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    path = tmp_path_factory.mktemp("pretrain") / "run"
    make_run(path, vocabulary)
    return path


def predict(command: str, run: Path, *argv: Any) -> Outcome:
    return call("predict", [command, "--run_dir", run, *argv])


def fill(run: Path, *argv: Any) -> Outcome:
    outcome = predict("fill-mask", run, *argv)
    assert outcome.status == 0, outcome.err
    return outcome


def refused(outcome: Outcome, *fragments: object) -> None:
    assert outcome.status == 2
    assert outcome.out == ""
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, outcome.err
    for fragment in fragments:
        assert str(fragment) in errors[0]


def test_lines_for_people(run: Path) -> None:
    lines = [line.split("\t") for line in fill(run, "a [MASK] film", "un[MASK] [MASK]", "--top_k", 2).out.splitlines()]
    assert [line[0] for line in lines] == ["1", "1", "1", "1", "2", "2"]
    assert all(line[1] in WORDS and 0 < float(line[2]) < 1 for line in lines)
    assert float(lines[0][2]) >= float(lines[1][2])
    word = lines[0][1]
    assert lines[0][3] == (f"a{word[2:]} film" if word.startswith("##") else f"a {word} film")


def test_nothing_is_warned_of(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """MindSpore warns of results that a network computes and drops."""
    fill(run, "a [MASK] film")
    assert "[WARNING]" not in capfd.readouterr().err


def test_five_tokens_by_default(run: Path) -> None:
    assert len(fill(run, "a [MASK] film").out.splitlines()) == 5


def test_file_and_pipe_give_one_answer_a_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "a [MASK] film\nthe [MASK]\twas [MASK]\n"
    (tmp_path / "texts.txt").write_text(content)
    output = tmp_path / "answers.jsonl"
    assert fill(run, "--input", tmp_path / "texts.txt", "--json", "--output", output, "--batch_size", 1).out == ""
    answers = read_jsonl(output)
    assert [answer["text"] for answer in answers] == ["a [MASK] film", "the [MASK]\twas [MASK]"]
    assert [len(answer["masks"]) for answer in answers] == [1, 2]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    piped = [json.loads(line) for line in fill(run, "--json").out.splitlines()]
    for answer, other in zip(answers, piped, strict=True):
        assert [[found["token"] for found in mask] for mask in answer["masks"]] == [
            [found["token"] for found in mask] for mask in other["masks"]
        ]
    assert shown(answers[1]).count("\n") == 9
    assert all(line.count("\t") == 3 for line in shown(answers[1]).splitlines())


def test_the_newest_weights_where_there_are_no_best_ones(vocabulary: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "run", vocabulary, best=False)
    moved = Path(shutil.move(tmp_path / "run", tmp_path / "moved"))
    newest = moved / "checkpoints" / "checkpoint_albert-1_1.ckpt"
    assert fill(moved, "a [MASK]").out == fill(moved, "a [MASK]", "--checkpoint", newest).out


def test_a_run_without_tokenizer_takes_one_of_its_size(vocabulary: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_run(run, vocabulary, keeps_tokenizer=False)
    refused(predict("fill-mask", run, "[MASK]"), "holds no tokenizer", "--spm_model_file or --vocab_file_path")
    assert fill(run, "[MASK]", "--vocab_file_path", vocabulary).out
    other = write_vocabulary(tmp_path / "other.txt", WORDS[:-1])
    outcome = predict("fill-mask", run, "[MASK]", "--vocab_file_path", other)
    refused(outcome, other, "has 13 entries, the network 14", "that the records were made with")


def test_another_vocabulary_than_that_of_the_run(run: Path, tmp_path: Path) -> None:
    other = write_vocabulary(tmp_path / "other.txt", [*WORDS[:-1], "plot"])
    refused(predict("fill-mask", run, "[MASK]", "--vocab_file_path", other), other, "not the one that the run")


BAD: dict[str, tuple[list[Any], list[str]]] = {
    "no mask": (["[MASK] film", "a film"], ["a film: the text has no [MASK]", "write [MASK] where"]),
    "too long": (["a [MASK] " + "film " * 20], ["24 tokens with [CLS] and [SEP]", "trained on 16", "leave out"]),
    "top_k": (["[MASK]", "--top_k", 0], ["--top_k: must be at least 1, not 0"]),
    "top_k text": (["[MASK]", "--top_k", "many"], ["--top_k", "many"]),
    "batch size": (["[MASK]", "--batch_size", 0], ["--batch_size", "at least 1"]),
    "empty": (["[MASK]", " "], ["a text is empty"]),
    "pair": (["[MASK]", "--text_b", "b"], ["unknown option --text_b"]),
    "no file": (["--input", "none.txt"], ["none.txt: no such file"]),
    "both": (["[MASK]", "--input", "none.txt"], ["exclude each other"]),
    "no checkpoint": (["[MASK]", "--checkpoint", "none.ckpt"], ["none.ckpt: no such checkpoint"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls(run: Path, name: str, tmp_path: Path) -> None:
    argv, fragments = BAD[name]
    output = tmp_path / "answers.txt"
    output.write_text("of yesterday\n")
    refused(predict("fill-mask", run, *argv, "--output", output), *fragments)
    assert output.read_text() == "of yesterday\n"


def test_the_line_of_a_file_is_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("a [MASK]\nthe [MASK]\na film\n")
    refused(predict("fill-mask", run, "--input", path, "--output", tmp_path / "out"), f"{path}:3: the text has no")
    assert not (tmp_path / "out").exists()


def edit(**keys: Any) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = run / "assets" / "task.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    return change


RUNS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "fine-tuned": (
        edit(kind="classification", labels=["a", "b"]),
        ["was fine-tuned (classification)", "create_pretraining_data.py", "run_pretrain.py"],
    ),
    "other sizes": (edit(network={"vocab_size": 14, "hidden_size": 12}), ["checkpoint_albert-best.ckpt"]),
    "no checkpoints": (lambda run: shutil.rmtree(run / "checkpoints"), ["has no checkpoint yet", "train first"]),
    "no description": (lambda run: (run / "assets" / "task.json").unlink(), ["there is no task.json"]),
    "no run": (lambda run: (run / "environment.json").unlink(), ["not a run directory"]),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_that_cannot_be_used(run: Path, tmp_path: Path, name: str) -> None:
    change, fragments = RUNS[name]
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    change(copy)
    refused(predict("fill-mask", copy, "a [MASK]"), copy, *fragments)


def test_a_pre_training_run_cannot_classify(run: Path) -> None:
    fix = "use predict.py fill-mask, or fine-tune its checkpoint with run_classifier.py"
    refused(predict("classify", run, "a film"), run, "pre-training run: it has no labels", fix)


def test_weights_of_a_fine_tuned_run(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "fine"))
    edit(kind="classification", labels=["a", "b"])(other)
    weights = other / "checkpoints" / "checkpoint_albert-best.ckpt"
    outcome = predict("fill-mask", run, "[MASK]", "--checkpoint", weights)
    refused(outcome, other, "trained for another task: kind classification there, pretraining")


def test_special_symbols_in_a_text_are_text(run: Path) -> None:
    for symbol in SPECIAL[:4]:
        assert fill(run, f"a {symbol} [MASK]").out
