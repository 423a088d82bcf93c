"""predict.py on raw text gives what the training run predicted for records of the same texts."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.entry.runs import ROOT, Outcome, TinyData, call, read_jsonl

pytestmark = pytest.mark.slow

Data = dict[str, TinyData]
Runs = Callable[[str], tuple[Path, Outcome]]
# Columns of the texts in the test files.
COLUMNS = {"sst-2": (1,), "rte": (1, 2), "sts-b": (7, 8)}


def texts_of(data: TinyData) -> list[str]:
    """Return the texts of the test split, the two of a pair with a TAB between."""
    path = data.folder / "glue" / data.name.upper() / "test.tsv"
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return ["\t".join(cells[column] for column in COLUMNS[data.name]) for cells in lines]


def classify_texts(run: Path, *argv: Any) -> Outcome:
    outcome = call("predict", ["classify", "--run_dir", run, *argv])
    assert outcome.status == 0, outcome.err
    return outcome


@pytest.mark.parametrize("task", list(COLUMNS))
def test_file_of_texts_equals_do_predict(tiny_run: Runs, tiny_data: Data, tmp_path: Path, task: str) -> None:
    texts = texts_of(tiny_data[task])
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    # The run directory is moved: it holds all that is needed.
    run = shutil.copytree(tiny_run(task)[0], tmp_path / "moved")
    output = tmp_path / "answers.jsonl"
    outcome = classify_texts(
        run, "--input", tmp_path / "texts.txt", "--json", "--output", output, "--batch_size", len(texts)
    )
    assert outcome.out == ""
    answers = read_jsonl(output)
    expected = read_jsonl(run / "predictions" / "predictions.jsonl")
    assert len(answers) == len(expected) == 21
    for text, answer, record in zip(texts, answers, expected, strict=True):
        assert "\t".join(answer[key] for key in ("text", "text_b") if key in answer) == text
        if task == "sts-b":
            assert answer["score"] == pytest.approx(record["score"], abs=1e-5)
        else:
            assert answer["label"] == record["label"]
            assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-6)


def test_texts_as_arguments(tiny_run: Runs) -> None:
    run, _ = tiny_run("sst-2")
    lines = classify_texts(run, "a warm film", "the plot is dull").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["1", "0"]
    assert [line.split("\t")[2] for line in lines] == ["a warm film", "the plot is dull"]
    assert all(0.5 < float(line.split("\t")[1]) <= 1 for line in lines)


def test_a_pair_as_arguments_and_through_a_pipe(tiny_run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = tiny_run("rte")
    answer = json.loads(classify_texts(run, "a film", "--text_b", "the plot is dull", "--json").out)
    assert (answer["text"], answer["text_b"]) == ("a film", "the plot is dull")
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    pipe = io.TextIOWrapper(io.BytesIO("\ufeffa film\tthe plot is dull\r\n".encode()))
    monkeypatch.setattr(sys, "stdin", pipe)
    assert json.loads(classify_texts(run, "--json").out) == answer


def test_a_chosen_checkpoint_answers_otherwise(tiny_run: Runs) -> None:
    run, _ = tiny_run("sst-2")
    newest = run / "checkpoints" / "classifier-6_6.ckpt"
    best = classify_texts(run, "a warm film", "--json").out
    assert classify_texts(run, "a warm film", "--json", "--checkpoint", newest).out != best


def test_a_run_without_tokenizer_takes_one_from_the_command_line(
    tiny_run: Runs, tiny_data: Data, tmp_path: Path
) -> None:
    whole, _ = tiny_run("sst-2")
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "assets" / "vocab.txt").unlink()
    task = json.loads((run / "assets" / "task.json").read_text())
    (run / "assets" / "task.json").write_text(json.dumps({**task, "vocabulary": ""}))
    refused = call("predict", ["classify", "--run_dir", run, "a warm film"])
    assert refused.status == 2
    assert "--vocab_file_path" in refused.err
    answer = classify_texts(run, "a warm film", "--vocab_file_path", tiny_data["sst-2"].vocabulary).out
    assert answer == classify_texts(whole, "a warm film").out


def test_a_damaged_best_checkpoint_is_passed_over(tiny_run: Runs, tmp_path: Path) -> None:
    whole, _ = tiny_run("sst-2")
    run = shutil.copytree(whole, tmp_path / "run")
    best = run / "checkpoints" / "classifier-best.ckpt"
    best.write_bytes(best.read_bytes()[:-100])
    newest = classify_texts(whole, "dull", "--json", "--checkpoint", whole / "checkpoints" / "classifier-6_6.ckpt")
    assert classify_texts(run, "dull", "--json").out == newest.out


def read_until(terminal: int, end: str, seconds: float = 120) -> str:
    """Return what appears on the terminal up to ``end``; fail where it does not come in time."""
    shown, deadline = "", time.monotonic() + seconds
    while end not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no {end!r} within {seconds} s after {shown!r}"
        shown += os.read(terminal, 4096).decode()
    return shown


def test_a_conversation_on_a_terminal(tiny_run: Runs) -> None:
    run, _ = tiny_run("sst-2")
    expected = classify_texts(run, "a warm film", "the plot is dull").out.splitlines()
    terminal, end_of_process = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "predict.py"), "classify", "--run_dir", str(run)],
        stdin=end_of_process,
        stdout=end_of_process,
        stderr=end_of_process,
        cwd=ROOT,
    )
    os.close(end_of_process)
    try:
        assert "Ctrl-D ends" in read_until(terminal, "\n> ")
        # An empty line asks again; every text is answered before the next one is asked for.
        os.write(terminal, b"\n")
        assert read_until(terminal, "\n> ") == "\r\n> "
        for text, answer in zip(("a warm film", "the plot is dull"), expected, strict=True):
            os.write(terminal, f"{text}\n".encode())
            assert read_until(terminal, "\n> ").split("\r\n") == [text, answer, "> "]
        os.write(terminal, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
