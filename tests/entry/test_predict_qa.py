"""predict.py qa gives what the evaluation of run_squad_v1.py gave for the same questions, and refuses what it must."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.tasks.assets import AnswerSettings
from tests.entry.runs import Outcome, arguments, call, read_jsonl
from tests.tasks import pretrain_runs
from tests.tasks.squad_runs import (
    BUCKETS,
    PASSAGES,
    QUERY_LENGTH,
    QUESTIONS,
    STRIDE,
    make_run,
    network_config,
    settings_of,
    write_squad,
    write_vocabulary,
)

pytestmark = pytest.mark.slow

LONG_QUESTION = "was it the good film in rome or was it in oslo ?"


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vocabulary(tmp_path_factory.mktemp("words") / "vocab.txt")


def run_of(vocabulary: Path, factory: pytest.TempPathFactory, settings: AnswerSettings) -> Path:
    path = factory.mktemp("squad") / "run"
    make_run(path, vocabulary, settings)
    return path


@pytest.fixture(scope="module")
def run_v1(vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(vocabulary, tmp_path_factory, settings_of())


@pytest.fixture(scope="module")
def run_v2(vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(vocabulary, tmp_path_factory, settings_of(version_2=True))


def predict(run: Path, *argv: Any, command: str = "qa") -> Outcome:
    return call("predict", [command, "--run_dir", run, *argv])


def answers_to(run: Path, *argv: Any) -> str:
    outcome = predict(run, *argv)
    assert outcome.status == 0, outcome.err
    return outcome.out


def refused(outcome: Outcome, *fragments: object) -> None:
    assert outcome.status == 2
    assert outcome.out == ""
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, outcome.err
    for fragment in fragments:
        assert str(fragment) in errors[0]


def evaluate(run: Path, questions: Path, vocabulary: Path, settings: AnswerSettings, output: Path) -> Path:
    """Evaluate the checkpoint of a run by ``run_squad_v1.py``; return the folder of the answers."""
    shape = network_config().model_dump()
    names = ("seq_length", "vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    names += ("intermediate_size", "max_position_embeddings")
    keys = {
        "albert_network": "custom",
        **{f"albert_net_cfg.{name}": shape[name] for name in names},
        "do_eval": True,
        "eval_json_path": questions,
        "load_finetune_checkpoint_path": run / "checkpoints" / "squad-best.ckpt",
        "vocab_file_path": vocabulary,
        "eval_batch_size": 8,
        "bucket_list": ",".join(map(str, BUCKETS)),
        "max_query_length": QUERY_LENGTH,
        "doc_stride": STRIDE,
        "max_answer_length": settings.max_answer_length,
        "version_2_with_negative": settings.version_2_with_negative,
        "squad_head": settings.head,
        "run_dir": output,
    }
    outcome = call("run_squad_v1", arguments(keys))
    assert outcome.status == 0, outcome.err
    return output / "predictions" / questions.stem


@pytest.mark.parametrize("name", ["v1", "v2", "v2 beam"])
def test_answers_equal_those_of_the_evaluation(vocabulary: Path, tmp_path: Path, name: str) -> None:
    settings = settings_of("beam" if "beam" in name else "span", version_2=name != "v1")
    run = tmp_path / "run"
    make_run(run, vocabulary, settings)
    records = write_squad(tmp_path / "questions.json")
    folder = evaluate(run, tmp_path / "questions.json", vocabulary, settings, tmp_path / "evaluated")
    texts = json.loads((folder / "predictions.json").read_text())
    ranked = json.loads((folder / "nbest_predictions.json").read_text())
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for batch_size in (1, 8):
        output = tmp_path / f"answers_{batch_size}.jsonl"
        argv = ["--input", tmp_path / "questions.jsonl", "--batch_size", batch_size, "--json", "--top_n", 5]
        assert answers_to(run, *argv, "--output", output) == ""
        answers = read_jsonl(output)
        assert [answer["id"] for answer in answers] == [record["id"] for record in records]
        for answer, record in zip(answers, records, strict=True):
            best = ranked[record["id"]]
            assert answer["answer"] == texts[record["id"]]
            if not (answer.get("no_answer") and settings.head == "beam"):
                expected = next(entry for entry in best if entry["text"] == answer["answer"])
                assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-5)
                assert (answer["start"], answer["end"]) == (expected["start"], expected["end"])
                assert {found["text"] for found in answer["answers"]} == {entry["text"] for entry in best[:5]}
            if answer["start"] is not None:
                assert record["context"][answer["start"] : answer["end"]] == answer["answer"]
        if name != "v1":
            odds = json.loads((folder / "null_odds.json").read_text())
            assert [answer["null_odds"] for answer in answers] == pytest.approx(list(odds.values()), abs=1e-4)


def test_lines_for_people(run_v1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passage = PASSAGES[1]
    out = answers_to(run_v1, "--context", passage, *QUESTIONS)
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[3] for row in rows] == list(QUESTIONS)
    for answer, probability, place, _ in rows:
        begin, end = map(int, place.split("-"))
        assert passage[begin:end].replace("\t", " ") == answer
        assert 0 < float(probability) < 1
    # The same by files and by a pipe.
    (tmp_path / "passage.txt").write_text(passage)
    (tmp_path / "questions.txt").write_text("\n".join(QUESTIONS) + "\n")
    given = ["--context_file", tmp_path / "passage.txt"]
    assert answers_to(run_v1, *given, "--input", tmp_path / "questions.txt") == out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(QUESTIONS).encode())))
    assert answers_to(run_v1, *given) == out
    numbered = answers_to(run_v1, *given, "--top_n", 3, *QUESTIONS[:2]).splitlines()
    assert [line.split("\t")[0] for line in numbered] == ["1", "2", "3"] * 2
    assert [numbered[0], numbered[3]] == [f"1\t{line}" for line in out.splitlines()[:2]]


def test_no_answer_by_the_threshold(run_v2: Path) -> None:
    given = ["--context", PASSAGES[1], QUESTIONS[0]]
    line = answers_to(run_v2, *given, "--null_threshold", -1e9)
    answer, _, place, question = line.rstrip("\n").split("\t")
    assert (answer, place, question) == ("(no answer)", "-", QUESTIONS[0])
    assert not answers_to(run_v2, *given, "--null_threshold", 1e9).startswith("(no answer)")


def test_a_long_question_is_cut_with_one_warning(run_v1: Path) -> None:
    outcome = predict(run_v1, "--context", PASSAGES[0], LONG_QUESTION, QUESTIONS[0], LONG_QUESTION)
    assert outcome.status == 0
    assert outcome.err.splitlines() == [f"warning: 2 questions were cut to their first {QUERY_LENGTH} tokens"]


def test_runs_of_another_kind(run_v1: Path, tmp_path: Path) -> None:
    for command, lacks in (("classify", "no labels"), ("fill-mask", "no masked language model")):
        refused(predict(run_v1, "a [MASK]", command=command), run_v1, lacks, "use predict.py qa")
    other = tmp_path / "pretrained"
    pretrain_runs.make_run(other, pretrain_runs.write_vocabulary(tmp_path / "vocab.txt"))
    refused(predict(other, "--context", "a", "b"), other, "answers no questions", "fill-mask", "run_squad_v1.py")
    description = other / "assets" / "task.json"
    for kind, use in (("classification", "predict.py classify"), ("token_classification", "predict.py ner")):
        description.write_text(json.dumps(json.loads(description.read_text()) | {"kind": kind}))
        refused(predict(other, "--context", "a", "b"), other, "answers no questions", use, "run_squad_v1.py")


def test_the_line_of_a_file_is_named(run_v1: Path, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"question": "a", "context": PASSAGES[0]}) + '\n{"question": "a"}\n')
    output = tmp_path / "answers"
    output.write_text("of yesterday\n")
    refused(predict(run_v1, "--input", path, "--output", output), f"{path}:2: the key 'context' is missing")
    assert output.read_text() == "of yesterday\n"


def test_a_description_without_settings(run_v1: Path, vocabulary: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "run", vocabulary, settings_of())
    path = tmp_path / "run" / "assets" / "task.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"answers": None}))
    refused(predict(tmp_path / "run", "--context", "a", "b"), "does not say how questions are answered")


def test_a_threshold_where_every_question_has_an_answer(run_v1: Path) -> None:
    outcome = predict(run_v1, "--context", "a", "b", "--null_threshold", 0)
    refused(outcome, "--null_threshold", run_v1, "v1.1: it answers every question", "leave it out")


class Terminal(io.StringIO):
    """A terminal on which these lines are typed."""

    def isatty(self) -> bool:
        return True


def test_conversations(run_v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = answers_to(run_v1, "--context", PASSAGES[0], *QUESTIONS[:2])
    second = answers_to(run_v1, "--context", PASSAGES[1], QUESTIONS[0])
    # The TAB of the second passage is typed as it is.
    typed = ["", PASSAGES[0], *QUESTIONS[:2], "", PASSAGES[1], QUESTIONS[0]]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(typed) + "\n"))
    assert answers_to(run_v1) == first + second
    monkeypatch.setattr(sys, "stdin", Terminal(f"{QUESTIONS[0]}\n\n{QUESTIONS[1]}\n"))
    outcome = predict(run_v1, "--context", PASSAGES[0])
    assert (outcome.status, outcome.out) == (0, first)
    assert outcome.err.startswith("Type a question and Enter; Ctrl-D ends.\n> > > >")


def test_bad_typed_passage_ends_the_conversation(run_v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("a" * 4095 + "\n"))
    outcome = predict(run_v1)
    assert outcome.status == 2
    assert re.search(r"passage> error: a{40}: the terminal cuts a line .*--context_file\n$", outcome.err)


def test_n_best_size_is_that_of_the_run(run_v1: Path, vocabulary: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_run(run, vocabulary, replace(settings_of(), n_best_size=60))
    given = ["--context", PASSAGES[1], QUESTIONS[0], "--json"]

    def probability_of(path: Path, *argv: Any) -> float:
        return float(json.loads(answers_to(path, *given, *argv))["probability"])

    usual = probability_of(run_v1)
    among_60 = probability_of(run)
    assert among_60 == pytest.approx(probability_of(run_v1, "--top_n", 60), abs=1e-6)
    assert among_60 < usual - 1e-4
    # A description of before there was the key means the default of run_squad_v1.py.
    path = run / "assets" / "task.json"
    content = json.loads(path.read_text())
    del content["answers"]["n_best_size"]
    path.write_text(json.dumps(content))
    assert probability_of(run) == pytest.approx(usual, abs=1e-6)
