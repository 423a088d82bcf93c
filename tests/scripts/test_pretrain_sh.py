from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.pretrain_scripts import ROOT, Scripts, make_scripts

ALONE = "<--epoch_size> <3> <--data_dir> <my data>"
LAUNCHED = (
    "launch.py <--device_num> <{size}> <--device_target> <{target}> <--log_dir> <.>"
    f" <--log_name> <LOG{{{{device}}}}/pretraining_log.txt> <{ROOT}/run_pretrain.py>"
)
LOGS = " GLOG_log_dir=ms_log GLOG_logtostderr=0"
TWO_GPUS = "#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n"
# Script, the words before EPOCH_SIZE, what is called, what of the environment is noted.
STARTS = [
    ("run_standalone_pretrain_cpu.sh", [], "run_pretrain.py <--device_target> <CPU>", ""),
    (
        "run_standalone_pretrain_ascend.sh",
        ["5"],
        "run_pretrain.py <--device_target> <Ascend> <--device_id> <5>",
        LOGS,
    ),
    *(
        (
            name,
            ["5"],
            "run_pretrain.py <--device_target> <GPU> <--device_id> <0>",
            " CUDA_VISIBLE_DEVICES=5" + LOGS,
        )
        for name in (
            "run_standalone_pretrain_gpu.sh",
            "run_standalone_pretrain_for_gpu.sh",
            "run_standaloned_pretrain_gpu.sh",
        )
    ),
    ("run_distributed_pretrain_cpu.sh", ["2"], LAUNCHED.format(size=2, target="CPU"), ""),
    ("run_distributed_pretrain_gpu.sh", ["8"], LAUNCHED.format(size=8, target="GPU"), LOGS),
    ("run_distributed_pretrain_for_gpu.sh", ["8"], LAUNCHED.format(size=8, target="GPU"), LOGS),
]
NAMES = [start[0] for start in STARTS]


# What lies in the folder of the calls.
GIVEN = {"data", "my data", "my schema.json"}


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    made = make_scripts(tmp_path)
    for name in GIVEN:
        (made.folder / name).mkdir()
    return made


@pytest.mark.parametrize(("name", "first", "call", "environment"), STARTS, ids=NAMES)
def test_a_start_in_the_background(scripts: Scripts, name: str, first: list[str], call: str, environment: str) -> None:
    done = scripts.call(name, *first, "3", "my data", "my schema.json", "--batch_size", "8", TRAINING_STATUS="4")
    assert (done.returncode, done.stderr) == (0, "")
    assert scripts.finished_log() == "training\nexit status: 4\n"
    whole = f"{call} {ALONE} <--schema_dir> <my schema.json> <--batch_size> <8>"
    assert scripts.calls() == [f"{whole} <--print_config>{environment}", whole + environment]
    assert "log pretraining_log.txt" in done.stdout
    assert "kill " in done.stdout


@pytest.mark.parametrize(("name", "first", "call", "environment"), STARTS, ids=NAMES)
def test_a_start_in_this_terminal(scripts: Scripts, name: str, first: list[str], call: str, environment: str) -> None:
    done = scripts.call(name, *first, "3", "my data", "--foreground", TRAINING_STATUS="4")
    assert (done.returncode, done.stdout, done.stderr) == (4, "training\n", "")
    assert scripts.calls() == [f"{call} {ALONE}{environment}"]
    assert {path.name for path in scripts.folder.iterdir()} == GIVEN


@pytest.mark.parametrize(("name", "first"), [start[:2] for start in STARTS], ids=NAMES)
def test_wrong_calls_show_the_usage(scripts: Scripts, name: str, first: list[str]) -> None:
    too_many = [*first, "3", "data", "schema", "one more"]
    expected = {
        "none": [],
        "none, and then --data_dir": ["--data_dir", "x"],
        f"{len(too_many)}: {' '.join(too_many)}": too_many,
    }
    for got, arguments in expected.items():
        done = scripts.call(name, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        usage, _, error = done.stderr.rstrip("\n").rpartition("\n")
        assert error.startswith("error: expected ")
        assert error.endswith(f" words before the options, got {got} -> give what the usage names")
        assert usage.startswith("usage: bash scripts/run_")
    assert scripts.calls() == []


def test_two_words_for_gpus_are_one_too_many_or_too_few(scripts: Scripts) -> None:
    done = scripts.call("run_distributed_pretrain_gpu.sh", "8", "data")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: two words before the options: 8 data -> give DATA_DIR alone, or RANK_SIZE")
    assert scripts.calls() == []


@pytest.mark.parametrize("name", [*NAMES, "run_distributed_pretrain_ascend.sh"])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help(scripts: Scripts, name: str, word: str) -> None:
    done = scripts.call(name, word)
    assert (done.returncode, done.stderr, scripts.calls()) == (0, "", [])
    for text in ("usage: bash scripts/", "--foreground", "pretraining_log.txt", "DATA_DIR", "example:"):
        assert text in done.stdout


@pytest.mark.parametrize(("name", "first"), [start[:2] for start in STARTS], ids=NAMES)
def test_words_that_are_no_numbers(scripts: Scripts, name: str, first: list[str]) -> None:
    done = scripts.call(name, *first, "many", "data")
    assert (done.returncode, done.stderr) == (2, "error: EPOCH_SIZE is 'many' -> use a whole number from 1 on\n")
    if first:
        done = scripts.call(name, "x", "3", "data")
        what, least = ("RANK_SIZE", 1) if "distributed" in name else ("DEVICE_ID", 0)
        assert (done.returncode, done.stderr) == (2, f"error: {what} is 'x' -> use a whole number from {least} on\n")
    assert scripts.calls() == []


@pytest.mark.parametrize(("name", "first"), [start[:2] for start in STARTS], ids=NAMES)
def test_a_mistake_in_the_configuration_shows_at_once(scripts: Scripts, name: str, first: list[str]) -> None:
    done = scripts.call(name, *first, "3", "data", BAD_CONFIG="unknown key x")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: unknown key x\n")
    assert len(scripts.calls()) == 1
    assert {path.name for path in scripts.folder.iterdir()} == GIVEN


@pytest.mark.parametrize(("name", "first"), [start[:2] for start in STARTS], ids=NAMES)
@pytest.mark.parametrize("words", [[], ["--foreground"]])
def test_data_that_are_not_there(scripts: Scripts, name: str, first: list[str], words: list[str]) -> None:
    done = scripts.call(name, *first, "3", "nix", *words)
    told = "error: nix: no such folder -> give the folder of the record files as DATA_DIR\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
    done = scripts.call(name, *first, "3", "data", "nix.json", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nix.json: no such file -> give a schema.json")
    assert scripts.calls() == []
    assert {path.name for path in scripts.folder.iterdir()} == GIVEN


def test_a_former_log_is_kept(scripts: Scripts) -> None:
    (scripts.folder / "pretraining_log.txt").write_text("the former run\n")
    assert scripts.call("run_standalone_pretrain_cpu.sh", "1", "data").returncode == 0
    scripts.finished_log()
    assert (scripts.folder / "pretraining_log.txt.previous").read_text() == "the former run\n"


def test_the_callers_log_variables_count(scripts: Scripts) -> None:
    scripts.call("run_standalone_pretrain_ascend.sh", "0", "1", "data", "--foreground", GLOG_log_dir="mine")
    assert scripts.calls()[0].endswith(" GLOG_log_dir=mine GLOG_logtostderr=0")


def test_all_gpus_of_the_machine(scripts: Scripts) -> None:
    scripts.program("nvidia-smi", TWO_GPUS)
    done = scripts.call("run_distributed_pretrain_for_gpu.sh", "my data", "--foreground", "--train_steps", "9")
    assert done.returncode == 0, done.stderr
    started = LAUNCHED.format(size=2, target="GPU")
    assert scripts.calls() == [f"{started} <--data_dir> <my data> <--train_steps> <9>{LOGS}"]


def test_the_gpus_that_are_visible(scripts: Scripts) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "3,5,6"}
    assert scripts.call("run_distributed_pretrain_gpu.sh", "data", "--foreground", **environment).returncode == 0
    assert scripts.calls()[0].startswith(LAUNCHED.format(size=3, target="GPU"))


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\necho 'No devices found'\n"])
def test_a_machine_without_gpus(scripts: Scripts, text: str) -> None:
    scripts.program("nvidia-smi", text)
    done = scripts.call("run_distributed_pretrain_gpu.sh", "data")
    assert done.returncode == 2
    assert "error: nvidia-smi lists no GPUs -> say how many: RANK_SIZE EPOCH_SIZE DATA_DIR" in done.stderr
    assert scripts.calls() == []


@pytest.mark.parametrize("foreground", [True, False])
def test_mpirun(scripts: Scripts, foreground: bool) -> None:
    scripts.program("mpirun", '#!/bin/sh\necho "mpirun $*" >>"$RECORD"\nexit 6\n')
    words = ["--foreground"] if foreground else []
    done = scripts.call("run_distributed_pretrain_gpu.sh", "4", "3", "my data", "--mpirun", *words)
    assert done.returncode == (6 if foreground else 0), done.stderr
    if not foreground:
        assert scripts.finished_log().endswith("exit status: 6\n")
    assert scripts.calls()[-1] == (
        "mpirun --allow-run-as-root -n 4 --output-filename log_output --merge-stderr-to-stdout"
        f" {scripts.programs}/recorder {ROOT}/run_pretrain.py --distribute true --device_num 4 --device_target GPU"
        " --epoch_size 3 --data_dir my data"
    )


def test_mpirun_that_is_not_there(scripts: Scripts) -> None:
    for name in ("bash", "dirname", "cat"):
        found = next(Path(part) / name for part in os.environ["PATH"].split(os.pathsep) if (Path(part) / name).exists())
        (scripts.programs / name).symlink_to(found)
    done = scripts.call("run_distributed_pretrain_gpu.sh", "4", "3", "data", "--mpirun", PATH=str(scripts.programs))
    assert (done.returncode, done.stderr) == (
        2,
        "error: mpirun: no such program -> install Open MPI, or leave --mpirun out\n",
    )


def test_python_that_is_not_there(scripts: Scripts) -> None:
    done = scripts.call("run_distributed_pretrain_cpu.sh", "2", "1", "data", PYTHON="/no/such/python")
    assert done.returncode == 2
    assert "/no/such/python: no such program" in done.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "is no Python 3 -> leave PYTHON out"),
        ("Python 2", "is no Python 3"),
        ("Python 3 pydantic mindspore", "lacks the packages: pydantic mindspore -> run 'make quickstart' once"),
    ],
)
@pytest.mark.parametrize("name", ["run_standalone_pretrain_cpu.sh", "run_distributed_pretrain_ascend.sh"])
def test_python_that_does_not_do(scripts: Scripts, name: str, answer: str, told: str) -> None:
    scripts.program("other", f"#!/bin/sh\necho '{answer}'\n")
    other = str(scripts.programs / "other")
    done = scripts.call(name, "1", "data", PYTHON=other)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: {other} {told}")
    assert {path.name for path in scripts.folder.iterdir()} == GIVEN


def test_the_packages_of_a_real_python_are_looked_for(scripts: Scripts) -> None:
    script = f"source {ROOT}/scripts/common.sh; check_python {sys.executable} json no_such_package numpy"
    done = subprocess.run(["bash", "-c", script], cwd=scripts.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {sys.executable} lacks the packages: no_such_package -> ")
    assert subprocess.run(["bash", "-c", script.replace("no_such_package", "")], check=False).returncode == 0
