"""predict.py ner and encode, and JSON lines in, as their users call them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.entry.runs import Outcome, TinyData, call, read_jsonl

pytestmark = pytest.mark.slow

Data = dict[str, TinyData]
Runs = Callable[[str], tuple[Path, Outcome]]


def predict(command: str, run: Path, *argv: Any) -> Outcome:
    return call("predict", [command, "--run_dir", run, *argv])


def answered(command: str, run: Path, *argv: Any) -> Outcome:
    outcome = predict(command, run, *argv)
    assert outcome.status == 0, outcome.err
    return outcome


def words_of_test_file(data: TinyData) -> list[list[str]]:
    blocks = (data.folder / "test.conll").read_text(encoding="utf-8").strip().split("\n\n")
    return [[line.split("\t")[0] for line in block.split("\n")] for block in blocks]


def test_words_get_the_tags_of_do_predict(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    run, _ = tiny_run("names")
    sentences = words_of_test_file(tiny_data["names"])
    given, output = tmp_path / "sentences.jsonl", tmp_path / "answers.jsonl"
    given.write_text("".join(json.dumps({"id": n, "words": words}) + "\n" for n, words in enumerate(sentences)))
    answered("ner", run, "--input", given, "--json", "--output", output)
    answers = read_jsonl(output)
    expected = read_jsonl(run / "predictions" / "predictions.jsonl")
    assert [answer["id"] for answer in answers] == list(range(len(expected)))
    # The last sentence needs several records; training cut it before words inside an entity only.
    for answer, record in zip(answers[:-1], expected[:-1], strict=True):
        assert answer["tags"] == record["tags"]
        assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-6)
    assert len(answers[-1]["tags"]) == 40


def test_entities_for_people(tiny_run: Runs) -> None:
    run, _ = tiny_run("names")
    lines = [line.split("\t") for line in answered("ner", run, "the film, Anna.", "a plot").out.splitlines()]
    assert all(len(line) == 5 for line in lines)
    assert {line[-1] for line in lines} == {"the film, Anna.", "a plot"}
    for kind, text, share, place, sentence in lines:
        if kind != "-":
            first, last = map(int, place.split("-"))
            assert sentence[first:last] == text
            assert 0 < float(share) <= 1


def test_vectors_into_an_array(tiny_run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = tiny_run("sst-2")
    texts = ["a warm film", "dull", "the plot is dull and bad and dull"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
    answered("encode", run, "--output", tmp_path / "v.npy", "--pooling", "cls")
    vectors = np.load(tmp_path / "v.npy")
    assert (vectors.shape, vectors.dtype) == ((3, 32), np.float32)
    lines = answered("encode", run, "--json", "--pooling", "cls", *texts).out.splitlines()
    assert np.allclose([json.loads(line)["vector"] for line in lines], vectors, atol=1e-6)
    numbers, text = answered("encode", run, texts[0]).out.rstrip("\n").split("\t")
    assert (len(numbers.split()), text) == (32, texts[0])


def test_json_lines_through_a_pipe(tiny_run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = tiny_run("rte")
    pipe = io.TextIOWrapper(io.BytesIO(b'{"id": "x", "text": "a film", "text_b": "a\\tplot"}\n'))
    monkeypatch.setattr(sys, "stdin", pipe)
    answer = json.loads(answered("classify", run, "--input_format", "jsonl", "--json").out)
    assert (answer["id"], answer["text"], answer["text_b"]) == ("x", "a film", "a\tplot")


@pytest.mark.parametrize(
    ("command", "task", "argv", "message"),
    [
        ("ner", "sst-2", ["anna"], "it has no tags of words"),
        ("classify", "names", ["anna"], "use predict.py ner"),
        ("ner", "names", ["\u200b"], "the text has no words"),
        ("ner", "names", ["a", "--key_file", "k"], "only exported models are encrypted"),
        ("encode", "names", ["a", "--pooling", "max"], "--pooling"),
    ],
)
def test_refused(tiny_run: Runs, command: str, task: str, argv: list[str], message: str) -> None:
    outcome = predict(command, tiny_run(task)[0], *argv)
    assert outcome.status == 2
    assert outcome.out == ""
    assert message in outcome.err


def test_bad_lines_name_their_place(tiny_run: Runs, tmp_path: Path) -> None:
    given = tmp_path / "texts.jsonl"
    given.write_text('{"text": "a"}\n{"txt": "b"}\n')
    outcome = predict("encode", tiny_run("sst-2")[0], "--input", given, "--output", tmp_path / "o.npy")
    assert outcome.status == 2
    assert f"{given}:2: unknown key 'txt' -> did you mean 'text'?" in outcome.err
    assert not (tmp_path / "o.npy").exists()
