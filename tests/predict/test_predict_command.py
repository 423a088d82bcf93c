from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import AlbertError, CheckpointError, ConfigError, DataError, OutputError
from src.common.files import sha256_of
from src.export.description import ExportDescription, TensorSpec, description_path, write_description
from src.predict.loading import ModelSource, load_predictor
from src.predict.options import check_options, make_parser
from src.predict.shown import shown, shown_answers
from src.tasks.assets import TaskDescription

ROOT = Path(__file__).resolve().parents[2]


def check_input(path: Path) -> None:
    check_options(make_parser().parse_args(["classify", "--run_dir", "run", "--input", str(path)]))


def test_input_may_be_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_input(pipe)


def test_input_must_be_there_and_no_folder(tmp_path: Path) -> None:
    for path, what in ((tmp_path, "this is a folder"), (tmp_path / "absent.txt", "no such file")):
        with pytest.raises(DataError, match=what):
            check_input(path)


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [("classify", [], "classify gives no vectors"), ("encode", ["--json"], "--json writes no arrays")],
)
def test_an_array_holds_vectors_alone(command: str, more: list[str], message: str) -> None:
    argv = [command, "--run_dir", "run", "--output", "a.NPY", "text", *more]
    with pytest.raises(ConfigError, match=message):
        check_options(make_parser().parse(argv))


def test_a_checkpoint_that_is_absent_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_predictor(ModelSource(run_dir=tmp_path, checkpoint=tmp_path / "absent.ckpt"))


def test_answers_are_not_lost_where_stdout_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    argv = ["classify", "--run_dir", "run", "a film"]
    with pytest.raises(OutputError, match="stdout is closed, and the answers would go there -> give --output FILE"):
        check_options(make_parser().parse(argv))
    check_options(make_parser().parse([*argv, "--output", "answers.txt"]))


def test_a_model_without_its_assets(tmp_path: Path) -> None:
    task = TaskDescription("regression", "", (), 8, (8,), {"seq_length": 8}, "a.model", "", do_lower_case=True)
    inputs = tuple(TensorSpec(name, "int32", (2, 8)) for name in ("input_ids", "input_mask", "segment_ids"))
    model = tmp_path / "film.mindir"
    model.write_bytes(b"graph")
    outputs = (TensorSpec("logits", "float32", (2, 1)),)
    description = ExportDescription("MINDIR", model.name, sha256_of(model), "model", inputs, outputs, task)
    write_description(description_path(model), description)
    with pytest.raises(CheckpointError, match=r"film.assets: .* is missing -> move film.assets with the model"):
        load_predictor(ModelSource(model=model))
    with pytest.raises(DataError, match=r"other\.model"):
        load_predictor(ModelSource(model=model, spm_model_file="other.model"))


def test_an_answer_is_one_line_whatever_the_text_holds() -> None:
    assert shown({"label": "yes", "probability": 0.5, "text": "a\nb\tc\u2028d"}) == "yes\t0.5000\ta b c d"
    assert shown({"score": 1.0, "text": "a\r\nb", "text_b": "c"}) == "1.0000\ta  b | c"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--run_dir", ""], "--run_dir: must not be empty"),
        (["--run_dir", "run", "--output", ""], "--output: must not be empty"),
        (["--run_dir", "run", "--batch_size", "99999999999999999999"], "--batch_size: must be at most 65,536"),
        (["--run_dir", "run", "--model", "a.mindir"], "--model: not allowed with"),
        (["--model", "a.mindir", "--checkpoint", "b"], "an exported model holds its weights"),
        ([], "one of the arguments --run_dir --model is required"),
    ],
)
def test_bad_sources(argv: list[str], message: str) -> None:
    with pytest.raises(AlbertError, match=message):
        check_options(make_parser().parse(["classify", "a", *argv]))


def check_questions(*argv: object) -> None:
    check_options(make_parser().parse(["qa", "--run_dir", "run", *map(str, argv)]))


BAD_QUESTIONS: dict[str, tuple[list[object], str]] = {
    "empty question": (["--context", "a", "b", " "], "question: a question is empty"),
    "empty passage": (["--context", " ", "b"], "--context: the passage is empty"),
    "no passage": (["b"], r"--context: there is no passage to the questions -> .*--context_file.*--input"),
    "two passages": (["--context", "a", "--context_file", "b", "c"], "--context_file: not allowed with"),
    "no file of the passage": (["--context_file", "none.txt", "b"], "none.txt: no such file"),
    "folder as passage": (["--context_file", "/", "b"], "/: this is a folder"),
    "questions and input": (["--context", "a", "--input", "b", "c"], "--input: questions and --input exclude"),
    "top_n": (["--context", "a", "--top_n", 0, "b"], "--top_n: must be at least 1, not 0"),
    "longest answer": (["--context", "a", "--max_answer_length", -1, "b"], "--max_answer_length: must be at least 1"),
    "threshold": (["--context", "a", "--null_threshold", "nan", "b"], "--null_threshold: nan is no threshold"),
    "threshold text": (["--context", "a", "--null_threshold", "low", "b"], "--null_threshold.*low"),
    "top_k": (["--context", "a", "--top_k", 2, "b"], "unknown option --top_k"),
}


@pytest.mark.parametrize("name", BAD_QUESTIONS)
def test_bad_questions(name: str) -> None:
    argv, message = BAD_QUESTIONS[name]
    with pytest.raises(AlbertError, match=message):
        check_questions(*argv)


def test_good_questions(tmp_path: Path) -> None:
    passage = tmp_path / "passage.txt"
    passage.write_text("a")
    check_questions("--context", "a", "b", "c", "--null_threshold", "-3.5", "--max_answer_length", 5)
    check_questions("--context_file", passage)
    check_questions("--input", passage)


def test_answers_do_not_replace_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    best = Path("run", "checkpoints", "squad-best.ckpt")
    best.parent.mkdir(parents=True)
    for path in (best, Path("passage.txt"), Path("questions.txt")):
        path.write_text("a")
    for argv in (
        ["--context_file", "passage.txt", "b", "--output", "passage.txt"],
        ["--context", "a", "--input", "questions.txt", "--output", "./questions.txt"],
        ["--context", "a", "b", "--checkpoint", "x.ckpt", "--output", "x.ckpt"],
    ):
        with pytest.raises(AlbertError, match="the file is an input, too"):
            check_questions(*argv)
    with pytest.raises(AlbertError, match=r"squad-best.ckpt: it is a file of the run"):
        check_questions("--context", "a", "b", "--output", str(best))
    check_questions("--context", "a", "b", "--output", "run/predictions/answers.jsonl")


ANSWERS: dict[str, Any] = {
    "question": "a\tb?",
    "answers": [
        {"text": "c\nd", "start": 3, "end": 6, "probability": 0.75},
        {"text": "", "start": None, "end": None, "probability": 0.25},
    ],
}


def test_an_answer_to_a_question_is_one_line() -> None:
    assert shown_answers(ANSWERS | {"answers": ANSWERS["answers"][:1]}, 1) == "c d\t0.7500\t3-6\ta b?"
    assert shown_answers(ANSWERS, 2) == "1\tc d\t0.7500\t3-6\ta b?\n2\t(no answer)\t0.2500\t-\ta b?"
    # The number stands in front where fewer answers were found, too.
    assert shown_answers(ANSWERS | {"answers": ANSWERS["answers"][1:]}, 3) == "1\t(no answer)\t0.2500\t-\ta b?"


@pytest.mark.parametrize("argv", [["--help"], ["qa", "--help"], ["qa", "--run_dir", "none", "a question"]])
def test_mindspore_is_not_loaded_before_the_options_are_right(argv: list[str]) -> None:
    code = (
        "import sys\nfrom src.common.cli import run_command\nfrom predict import main\n"
        "try:\n    run_command(main)\nexcept SystemExit:\n    pass\nprint('mindspore' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=ROOT)
    assert process.stdout.splitlines()[-1] == "False", process.stderr
