"""The road of Ascend 310 by its launcher, with stand-ins for the programs that it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.entry.runs import TinyData
from tests.offline.application import make_model
from tests.offline.samples import make_run
from tests.scripts.pretrain_scripts import ROOT, Scripts, make_scripts

SCRIPT = "run_infer_310.sh"
# Stands in place of Python: notes the script and what it is given, and leaves what the script would leave.
PYTHON = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then echo "Python 3"; exit; fi
{ printf '%s' "${1#"@ROOT@/"}"; printf ' <%s>' "${@:2}"; echo; } >>"$RECORD"
name="$(basename "$1" .py)"
if [[ "$name" == "${FAIL:-}" ]]; then echo "loading"; echo "error: no such records -> check the path" >&2; exit 2; fi
if [[ "$name" == preprocess ]]; then mkdir -p preprocess_result; echo '{}' >preprocess_result/manifest.json; fi
if [[ "$name" == postprocess ]]; then echo 'acc_num 1 , total_num 2, accuracy 0.500000' >acc.log; fi
"""
APPLICATION = """#!/usr/bin/env bash
{ printf 'application'; printf ' <%s>' "$@"; echo; } >>"$RECORD"
if [[ "${FAIL:-}" == application ]]; then echo "error: no device" >&2; exit 3; fi
if [[ "${*: -2}" == "--check_model true" ]]; then exit "${CHECKED:-0}"; fi
while [[ "$1" != --output_dir ]]; do shift; done
echo answer >"$2/x_batch_1_000000_0.bin"
"""
APPLICATION_WORDS = (
    "application <--mindir_path> <m.mindir> <--input0_path> <preprocess_result/00_data> <--input1_path> "
    "<preprocess_result/01_data> <--input2_path> <preprocess_result/02_data> <--device_id> <{device}> <--output_dir> "
)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    made = make_scripts(tmp_path)
    made.program("recorder", PYTHON)
    made.program("app", APPLICATION)
    (made.folder / "m.mindir").write_text("model")
    return made


def call(scripts: Scripts, *words: str, status: int = 0, **environment: str) -> str:
    """Call the launcher; return what it printed."""
    result = scripts.call(SCRIPT, *words, ALBERT_310_APP=str(scripts.programs / "app"), **environment)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout if status == 0 else result.stderr


def test_no_words_are_a_wrong_call(scripts: Scripts) -> None:
    printed = call(scripts, status=2)
    assert printed.splitlines()[-1].startswith("error: expected 4 to 8 words before the options, got none -> ")
    assert printed.startswith("usage: bash scripts/run_infer_310.sh")
    explained = call(scripts, "--help")
    assert "DATASET_FORMAT" in explained
    # What a program of the user's own is called with.
    assert "--check_model true" in explained.partition("ALBERT_310_APP")[2]
    assert scripts.calls() == []


@pytest.mark.parametrize(
    ("words", "device"),
    [
        (("d.mindrecord", "y", "mnli", "2"), "2"),
        (("d.mindrecord", "Y", "mnli"), "0"),
        (("labels", "d.mindrecord", "mindrecord", "y", "mnli"), "0"),
        (("labels", "d.mindrecord", "MindRecord", "y", "mnli", "2"), "2"),
        (("labels", "d.mindrecord", "", "y", "mnli", "", "2"), "2"),
    ],
)
def test_both_orders_of_the_documentation_mean_the_same(words: tuple[str, ...], device: str, scripts: Scripts) -> None:
    printed = call(scripts, "m.mindir", *words)
    before, application, after = scripts.calls()
    assert before == (
        "preprocess.py <--task_type> <mnli> <--result_path> <preprocess_result> <--overwrite> <true> "
        "<--eval_data_file_path> <d.mindrecord>"
    )
    assert application.startswith(APPLICATION_WORDS.format(device=device))
    assert "<--task_type> <mnli> <--preprocess_dir> <preprocess_result> <--result_dir> <result_files>" in after
    assert after.endswith("<--eval_data_file_path> <d.mindrecord>")
    assert printed.startswith("MINDIR_PATH ")
    assert f"m.mindir, d.mindrecord, y, mnli; DEVICE_ID {device}" in printed
    assert printed.endswith("acc_num 1 , total_num 2, accuracy 0.500000\n")
    assert (scripts.folder / "result_files" / "x_batch_1_000000_0.bin").is_file()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (
            ("cache.npz", "y", "squadv1", "dev.json"),
            "<--eval_data_file_path> <cache.npz> <--eval_json_path> <dev.json>",
        ),
        (("dev.json", "y", "squadv2", "1"), "<--eval_json_path> <dev.json>"),
        (
            ("cache.npz", "y", "squadv1", "dev.json", "a.vocab", "a.model", "1"),
            "<--eval_data_file_path> <cache.npz> <--eval_json_path> <dev.json> <--vocab_file_path> <a.vocab> "
            "<--spm_model_file> <a.model>",
        ),
        (
            ("labels", "cache.npz", "mindrecord", "y", "squadv1", "dev.json", "1"),
            "<--eval_data_file_path> <cache.npz> <--eval_json_path> <dev.json>",
        ),
    ],
)
def test_the_words_of_squad(words: tuple[str, ...], options: str, scripts: Scripts) -> None:
    call(scripts, "m.mindir", *words)
    before, _, after = scripts.calls()
    assert before.endswith(f"<--overwrite> <true> {options}")
    assert after.endswith("<--eval_json_path> <dev.json>")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("d", "mnli", "y", "2"), "NEED_PREPROCESS (y or n) is neither the third word, 'mnli', nor the fifth, '2' -> "),
        (("d", "yes", "mnli"), "NEED_PREPROCESS (y or n) is neither the third word, 'yes', nor the fifth, '' -> "),
        (("d", "y", "mnli", "--device", "NPU"), "--device: 'npu' is not a device -> give Ascend or CPU"),
        (("d", "y", "mnli", "--device"), "--device: '' is not a device"),
        (("d", "y", "mnli", "dev.json"), "'dev.json' is no DEVICE_ID"),
        (("labels", "d", "csv", "y", "mnli"), "DATASET_FORMAT is 'csv'"),
        (("d", "y", "squadv1"), "EVAL_JSON_PATH is missing"),
        (("d", "y", "squadv1", "dev.json", "a.model"), "VOCAB_FILE_PATH"),
        (("d", "n", "mnli", "--seq_length", "16"), "--seq_length is for preprocess.py"),
        (("d", "y", "mnli", "--result_path", "other"), "--result_path cannot be given"),
    ],
)
def test_wrong_words_start_nothing(words: tuple[str, ...], what: str, scripts: Scripts) -> None:
    printed = call(scripts, "m.mindir", *words, status=2)
    assert what in printed.splitlines()[-1]
    assert " -> " in printed or "cannot be given" in printed
    assert printed.count("\n") == 1, "the error is one line, without the usage"
    assert scripts.calls() == []


def test_options_go_to_the_program_that_knows_them(scripts: Scripts) -> None:
    (scripts.folder / "m.json").write_text("{}")
    options = ("--device=CPU", "--seq_length", "16", "--assessment_method", "f1", "--warmup", "3")
    call(scripts, "m.mindir", "d", "y", "mnli", *options)
    check, before, application, after = scripts.calls()
    assert check == "application <--mindir_path> <m.mindir> <--device> <CPU> <--check_model> <true>"
    assert before.endswith("<--model> <m.mindir> <--eval_data_file_path> <d> <--seq_length> <16>")
    assert application.endswith("<--device> <CPU> <--warmup> <3>")
    assert after.endswith("<--assessment_method> <f1>")


def test_environment_variables_stand_for_words(scripts: Scripts) -> None:
    call(scripts, "m.mindir", "d", "y", "mnli", device_id="5", ALBERT_310_DEVICE="CPU")
    assert "<--device_id> <5>" in scripts.calls()[2]
    assert scripts.calls()[2].endswith("<--device> <CPU>")
    printed = call(scripts, "m.mindir", "d", "y", "mnli", status=2, ALBERT_310_DEVICE="tpu")
    assert "--device: 'tpu' is not a device" in printed


def test_a_model_that_the_cpu_cannot_run_is_refused_before_anything_is_written(scripts: Scripts) -> None:
    printed = call(scripts, "m.mindir", "d", "y", "mnli", "--device", "CPU", status=3, CHECKED="3")
    assert printed.startswith("error: check of the model failed with exit status 3 -> see infer.log")
    assert len(scripts.calls()) == 1
    assert not (scripts.folder / "preprocess_result").exists()


def test_files_of_an_earlier_preprocessing_are_taken(scripts: Scripts) -> None:
    words = ("m.mindir", "d", "n", "mnli")
    assert "preprocess_result/manifest.json" in call(scripts, *words, status=2)
    assert scripts.calls() == []
    (scripts.folder / "preprocess_result").mkdir()
    (scripts.folder / "preprocess_result" / "manifest.json").write_text("{}")
    call(scripts, *words)
    assert [line.split()[0] for line in scripts.calls()] == ["application", "postprocess.py"]


@pytest.mark.parametrize(
    ("failing", "status", "name", "log"),
    [
        ("preprocess", 2, "preprocess", "preprocess.log"),
        ("application", 3, "inference", "infer.log"),
        ("postprocess", 2, "postprocess", "postprocess.log"),
    ],
)
def test_a_stage_that_fails_is_named_with_the_end_of_its_log(
    failing: str, status: int, name: str, log: str, scripts: Scripts
) -> None:
    for folder in ("result_files", "time_result"):
        (scripts.folder / folder).mkdir()
    old = scripts.folder / "result_files" / "x_batch_1_000001_0.bin"
    old.write_text("old answer")
    (scripts.folder / "acc.log").write_text("old score\n")
    printed = call(scripts, "m.mindir", "d", "y", "mnli", status=status, FAIL=failing)
    lines = printed.splitlines()
    assert lines[0] == f"error: {name} failed with exit status {status} -> see {log}, which ends with:"
    assert lines[-1].startswith("error: no ")
    assert (scripts.folder / log).read_text().endswith(f"{lines[-1]}\n")
    assert scripts.calls()[-1].startswith(failing)
    assert old.exists() == (failing != "postprocess")
    assert [path.name for path in scripts.folder.glob("result_files*")] == ["result_files"]
    assert not (scripts.folder / "acc.log").exists()
    assert (scripts.folder / "acc.log.previous").read_text() == "old score\n"


def test_other_files_among_the_results_stay(scripts: Scripts) -> None:
    (scripts.folder / "result_files").mkdir()
    (scripts.folder / "result_files" / "thesis.txt").write_text("mine")
    assert "result_files/thesis.txt is no result" in call(scripts, "m.mindir", "d", "y", "mnli", status=2)
    assert scripts.calls() == []
    assert (scripts.folder / "result_files" / "thesis.txt").read_text() == "mine"


def test_a_missing_model_or_program_is_told_at_once(scripts: Scripts) -> None:
    assert "no.mindir: no such model" in call(scripts, "no.mindir", "d", "y", "mnli", status=2)
    result = scripts.call(SCRIPT, "m.mindir", "d", "y", "mnli", ALBERT_310_APP="/no/such")
    assert result.returncode == 2
    assert "/no/such is no program" in result.stderr
    assert scripts.calls() == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_application_is_built_where_it_is_missing(fails: bool, scripts: Scripts, tmp_path: Path) -> None:
    project = tmp_path / "the project"
    (project / "scripts").mkdir(parents=True)
    for name in ("common.sh", SCRIPT):
        shutil.copy(ROOT / "scripts" / name, project / "scripts" / name)
    folder = project / "ascend310_infer"
    (folder / "out").mkdir(parents=True)
    build = f'cp "{scripts.programs / "app"}" "{folder}/out/ascend310_infer"; echo built'
    (folder / "build.sh").write_text("echo 'error: LITE_HOME is not set' >&2; exit 2" if fails else build)
    words = ("m.mindir", "d", "y", "mnli")
    result = scripts.call(str(project / "scripts" / SCRIPT), *words, ALBERT_310_APP="")
    if fails:
        assert result.returncode == 2
        assert result.stderr.startswith("error: build failed with exit status 2")
        assert result.stderr.endswith("error: LITE_HOME is not set\n")
        assert scripts.calls() == []
        return
    assert result.returncode == 0, result.stderr
    assert (folder / "build.log").read_text() == "built\n"
    assert len(scripts.calls()) == 3
    assert "build ..." not in scripts.call(str(project / "scripts" / SCRIPT), *words, ALBERT_310_APP="").stdout
    # A source that has changed since.
    (folder / "src").mkdir()
    (folder / "src" / "main.cc").write_text("")
    os.utime(folder / "out" / "ascend310_infer", (0, 0))
    assert "build ..." in scripts.call(str(project / "scripts" / SCRIPT), *words, ALBERT_310_APP="").stdout


@pytest.mark.slow
def test_the_whole_road(scripts: Scripts, tiny_data: dict[str, TinyData], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tiny_data["sst-2"])
    model = make_model(scripts.folder / "tiny.mindir", run, rows=8, length=16)
    program = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.offline.application "$@"\n'
    scripts.program("app", program)
    environment = {**os.environ, "PYTHON": sys.executable, "ALBERT_310_APP": str(scripts.programs / "app")}
    words = (model.name, str(tiny_data["sst-2"].file("dev")), "y", "sst2", "--device", "CPU")
    result = subprocess.run(
        ["bash", str(ROOT / "scripts" / SCRIPT), *words],
        cwd=scripts.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    last = result.stdout.splitlines()[-1]
    assert last.startswith("acc_num ")
    assert " , total_num 37, accuracy 0." in last
    assert (scripts.folder / "acc.log").read_text().splitlines()[-1] == last
    assert "device CPU 0, warmup 0" in (scripts.folder / "infer.log").read_text()
    assert (scripts.folder / "time_result" / "test_perform_static.txt").is_file()
