"""The launchers of the V2 recipes, with a recorder in the place of Python."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts.albert_v2_world import FULL, PERFORMANCE, ROOT, SCRIPTS, VARIABLES, World, arguments


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_full_training(world: World) -> None:
    options = ["--precision_mode=allow_mix_precision", "--over_dump", "True", "--profiling=False"]
    options += ["--data_dump_flag=True", "--data_dump_step=0|5"]
    result = world.run(FULL, "--data_path=data", *options)
    assert result.returncode == 0, result.stderr
    words = " ".join([arguments(world), *options])
    checked, trained, summarised = world.calls()
    assert (checked[2], trained[2]) == (f"{words} --print_config", words)
    assert trained[0] == str(world.folder)
    assert trained[1] == {
        "ASCEND_DEVICE_ID": "0",
        "DEVICE_ID": "0",
        "RANK_ID": "0",
        "RANK_SIZE": "1",
        "RANK_TABLE_FILE": "unset",
        "GLOG_log_dir": f"{world.folder}/ms_log",
    }
    output = world.folder / "output" / "0"
    assert (output / "train_0.log").read_text() == "training\na warning\nerror: the end of the training\n"
    assert summarised[0] == str(ROOT)
    assert summarised[2].rpartition(" ")[0] == (
        f"-m src.tasks.run_summary --run_dir {output}/albert_v2_base_full --folder {output} --network albert_v2_base"
        " --variant full --elapsed_s"
    )
    assert result.stdout.splitlines() == [
        f"training; follow it with: tail -n +1 -f {output}/train_0.log",
        "the summary",
    ]


def test_the_performance_variant_trains_some_steps_and_evaluates_nothing(world: World) -> None:
    assert world.run(PERFORMANCE, "--data_path", "data", "--size", "large").returncode == 0
    words = arguments(world, "large", "performance")
    _, trained, summarised = world.calls()
    assert trained[2] == f"{words} --do_eval false --log_steps 100 --train_steps 1000"
    assert "--network albert_v2_large --variant performance" in summarised[2]


@pytest.mark.parametrize(("steps", "lines"), [("5", "1"), ("40", "4"), ("0100", "10")])
def test_the_number_of_steps(world: World, steps: str, lines: str) -> None:
    assert world.run(PERFORMANCE, "--data_path=data", f"--train_steps={steps}").returncode == 0
    assert world.calls()[1][2].endswith(f" --do_eval false --log_steps {lines} --train_steps {steps}")


def test_the_full_training_may_be_cut_short(world: World) -> None:
    assert world.run(FULL, "--data_path=data", "--train_steps", "7").returncode == 0
    assert world.calls()[1][2] == f"{arguments(world)} --train_steps 7"


def test_another_device(world: World) -> None:
    result = world.run(FULL, "--data_path=data", ASCEND_DEVICE_ID="3", RANK_TABLE_FILE="hccl.json", RANK_SIZE="8")
    assert result.returncode == 0, result.stderr
    trained = world.calls()[1]
    assert trained[2] == arguments(world, device="3")
    assert {name: trained[1][name] for name in VARIABLES[:5]} == {
        "ASCEND_DEVICE_ID": "3",
        "DEVICE_ID": "3",
        "RANK_ID": "0",
        "RANK_SIZE": "1",
        "RANK_TABLE_FILE": "unset",
    }
    assert (world.folder / "output" / "3" / "train_3.log").is_file()


def test_a_laptop(world: World) -> None:
    assert world.run(FULL, "--data_path=data", "--device_target=CPU").returncode == 0
    # The last of two options counts.
    assert world.calls()[1][2] == f"{arguments(world)} --device_target=CPU"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_names_the_documented_options(world: World, script: str, word: str) -> None:
    result = world.run(script, "--size", "large", word)
    assert result.returncode == 0
    options = (
        "precision mode(allow_fp32_to_fp16/force_fp16/must_keep_origin_dtype/allow_mix_precision)",
        "if or not over detection, default is False",
        "data dump flag, default is False",
        "data dump step, default is 10",
        "if or not profiling for performance debug, default is False",
        "source data of training",
        "-h/--help            show help message",
    )
    assert all(text in result.stdout for text in options)
    assert ("--train_steps " in result.stdout) == (script == PERFORMANCE)
    assert world.calls() == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--data_path is missing"),
        (["--size=base"], "--data_path is missing"),
        (["--data_path"], "--data_path needs a value"),
        (["--data_path", "--size=base"], "--data_path needs a value"),
        (["--data_path=none"], "none: no such folder"),
        (["--data_path=data", "--size=huge"], "--size is 'huge' -> use base or large"),
        (["--data_path=data", "--train_steps=many"], "--train_steps is 'many'"),
        (["--data_path=data", "--train_steps=0"], "--train_steps is '0'"),
        (["--data_path=data", "--run_dir=x"], "--run_dir is chosen by this script"),
    ],
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_wrong_calls(world: World, script: str, words: list[str], expected: str) -> None:
    result = world.run(script, *words)
    assert result.returncode == 2
    assert f"error: {expected}" in result.stderr
    assert result.stdout == ""
    assert world.calls() == []
    assert not (world.folder / "output").exists()


@pytest.mark.parametrize("word", ["data", "--data_pth=data"])
def test_what_is_no_option_of_the_launcher_is_named(world: World, word: str) -> None:
    result = world.run(FULL, word)
    assert (result.returncode, world.calls()) == (2, [])
    usage, _, error = result.stderr.rstrip("\n").rpartition("\n")
    assert error.startswith(f"error: --data_path is missing, and this launcher does not know {word} -> write --data_pa")
    assert usage.startswith("usage: bash scripts/")


def test_a_wrong_device_or_python(world: World) -> None:
    result = world.run(FULL, "--data_path=data", ASCEND_DEVICE_ID="a")
    assert (result.returncode, world.calls()) == (2, [])
    assert "error: ASCEND_DEVICE_ID is 'a'" in result.stderr
    result = world.run(FULL, "--data_path=data", PYTHON="/no/such/python")
    assert result.returncode == 2
    assert "/no/such/python: no such program" in result.stderr


def test_a_mistake_in_the_configuration_shows_at_once(world: World) -> None:
    result = world.run(FULL, "--data_path=data", "--no_such_key=1", BAD_CONFIG="unknown key no_such_key")
    assert result.returncode == 2
    assert result.stderr == "error: unknown key no_such_key\n"
    assert [words.endswith("--print_config") for _, _, words in world.calls()] == [True]
    assert not (world.folder / "output").exists()


@pytest.mark.parametrize("status", ["1", "2", "137"])
def test_the_status_is_that_of_the_training(world: World, status: str) -> None:
    result = world.run(FULL, "--data_path=data", TRAINING_STATUS=status)
    assert result.returncode == int(status)
    # The end of the log, and where the rest is.
    assert "error: the end of the training\n" in result.stderr
    assert f"error: the training ended with status {status} -> see " in result.stderr
    assert len(world.calls()) == 2


def test_a_summary_that_fails_does_not_hide_a_good_training(world: World) -> None:
    result = world.run(FULL, "--data_path=data", SUMMARY_STATUS="2")
    assert result.returncode == 0
    assert "error: there is no summary; the run is whole" in result.stderr


def test_an_earlier_run_is_not_touched_by_accident(world: World) -> None:
    run = world.folder / "output" / "0" / "albert_v2_base_full"
    run.mkdir(parents=True)
    # An empty folder is none.
    assert world.run(FULL, "--data_path=data").returncode == 0
    (run / "config.yaml").write_text("")
    log = run.parent / "train_0.log"
    log.write_text("the former run\n")
    calls = len(world.calls())
    result = world.run(FULL, "--data_path=data")
    assert result.returncode == 2
    assert f"error: {run}: a run is there already -> add --resume=true or --overwrite=true" in result.stderr
    assert (len(world.calls()), log.read_text()) == (calls, "the former run\n")
    for word in ("--resume=true", "--overwrite"):
        assert world.run(FULL, "--data_path=data", word).returncode == 0
        assert world.calls()[-2][2] == f"{arguments(world)} {word}"
        assert "training\n" in log.read_text()
    assert world.run(PERFORMANCE, "--data_path=data").returncode == 0
    assert "training\n" in log.with_name("train_0.log.previous").read_text()


def wait_for(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_training_save_its_state(world: World, number: signal.Signals) -> None:
    log = world.folder / "output" / "0" / "train_0.log"
    # Not from a shell that ignores Ctrl-C for its background jobs.
    process = subprocess.Popen(
        ["bash", str(ROOT / "scripts" / FULL), "--data_path=data"],
        cwd=world.folder,
        env=world.environment(TRAINING_S="15"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: log.is_file() and "a warning" in log.read_text())
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 143
    assert log.read_text().endswith("state saved\n")
    assert "the training ended with status 143" in errors


def test_relative_python(world: World) -> None:
    (world.folder / "recorder").symlink_to(world.recorder)
    assert world.run(FULL, "--data_path=data", PYTHON="./recorder").returncode == 0
    assert "src.tasks.run_summary" in world.calls()[-1][2]
