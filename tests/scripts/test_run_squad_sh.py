from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.scripts.pretrain_scripts import RECORDER, ROOT, Scripts, make_scripts

DEVICES = [{"device_id": str(i), "device_ip": f"192.168.100.{i}", "rank_id": str(i - 2)} for i in (2, 3)]
TABLE = {"server_count": "1", "server_list": [{"server_id": "10.0.0.1", "device": DEVICES}], "status": "completed"}
# Stands in place of an entry script: writes what it is given.
ENTRY = """
import json, os, sys
if "--print_config" in sys.argv:
    sys.exit(0)
names = ("RANK_TABLE_FILE", "RANK_SIZE", "RANK_ID", "DEVICE_ID")
print(json.dumps([{name: os.environ[name] for name in names}, sys.argv[1:]]), flush=True)
"""
DISTRIBUTED = {
    "run_distributed_squad_ascend.sh": ("run_squad_v1.py", "squad_log.txt"),
    "run_distributed_classifier_ascend.sh": ("run_classifier.py", "classifier_log.txt"),
    "run_distributed_classiffier_ascend.sh": ("run_classifier.py", "classifier_log.txt"),
}


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    made = make_scripts(tmp_path)
    made.program("recorder", RECORDER)
    return made


def test_no_arguments_is_a_wrong_call(scripts: Scripts) -> None:
    result = scripts.call("run_squad.sh")
    assert result.returncode == 2
    assert result.stderr.startswith("usage: bash scripts/run_squad.sh")
    assert result.stderr.endswith("error: no options are given -> say what to do, for example --do_train true\n")
    assert scripts.calls() == []


def test_help(scripts: Scripts) -> None:
    result = scripts.call("run_squad.sh", "--help")
    assert result.returncode == 0
    assert "squad_log.txt" in result.stdout
    assert scripts.calls() == []


def test_foreground_passes_arguments_and_status_through(scripts: Scripts) -> None:
    result = scripts.call("run_squad.sh", "--do_eval", "true", "--foreground", TRAINING_STATUS="7")
    assert result.returncode == 7
    assert scripts.calls() == ["run_squad_v1.py <--do_eval> <true>"]


def test_background_checks_the_configuration_and_writes_a_log(scripts: Scripts) -> None:
    result = scripts.call("run_squad.sh", "--do_eval", "true")
    assert result.returncode == 0, result.stderr
    assert "log squad_log.txt" in result.stdout
    assert scripts.finished_log("squad_log.txt").endswith("exit status: 0\n")
    checked, ran = scripts.calls()
    assert (checked, ran) == (f"{ran} <--print_config>", "run_squad_v1.py <--do_eval> <true>")


def test_a_mistake_is_told_before_the_start(scripts: Scripts) -> None:
    result = scripts.call("run_squad.sh", "--do_eval", "maybe", BAD_CONFIG="--do_eval: expected true or false")
    assert result.returncode == 2
    assert result.stderr == "error: --do_eval: expected true or false\n"
    assert not (scripts.folder / "squad_log.txt").exists()


@pytest.mark.parametrize("name", DISTRIBUTED)
def test_one_process_for_each_device_of_the_rank_table(name: str, scripts: Scripts, tmp_path: Path) -> None:
    entry, log = DISTRIBUTED[name]
    project = tmp_path / "the project"
    (project / "scripts").mkdir(parents=True)
    for shared in ("src", "launch.py", *(f"scripts/{script}" for script in ("common.sh", *DISTRIBUTED))):
        (project / shared).symlink_to(ROOT / shared)
    (project / entry).write_text(ENTRY)
    (scripts.folder / "hccl.json").write_text(json.dumps(TABLE))
    arguments = ("hccl.json", "--foreground", "--seed", "7")
    result = scripts.call(str(project / "scripts" / name), *arguments, PYTHON=sys.executable)
    assert result.returncode == 0, result.stdout + result.stderr
    for rank, device in enumerate(("2", "3")):
        written = (scripts.folder / f"LOG{device}" / log).read_text().splitlines()
        environment, given = json.loads(next(line for line in written if line.startswith("[{")))
        assert environment | {"RANK_TABLE_FILE": ""} == {
            "RANK_TABLE_FILE": "",
            "RANK_SIZE": "2",
            "RANK_ID": str(rank),
            "DEVICE_ID": device,
        }
        assert Path(environment["RANK_TABLE_FILE"]).name == "hccl.json"
        for key, value in (("--seed", "7"), ("--distribute", "true"), ("--device_target", "Ascend")):
            assert given[given.index(key) + 1] == value


@pytest.mark.parametrize("name", DISTRIBUTED)
def test_a_distributed_script_without_a_rank_table_is_a_wrong_call(name: str, scripts: Scripts) -> None:
    result = scripts.call(name)
    assert result.returncode == 2
    assert "RANK_TABLE_FILE" in result.stderr
