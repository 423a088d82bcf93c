from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.runtime.launch.options import parse_options
from tests.measured import run_measured

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "run_classifier.py"


def test_options_before_and_after_the_entry_script() -> None:
    options = parse_options(["--device_num", "3", "--grace_s=5", ENTRY, "--device_num", "3", "--log_dir", "mine", "-x"])
    assert (options.device_num, options.grace_s, options.log_dir) == (3, 5.0, None)
    assert options.arguments == ("--device_num", "3", "--log_dir", "mine", "-x")
    assert options.entry == ROOT / ENTRY
    assert options.device_target == "CPU"


def test_the_entry_script_is_searched_here_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_options(["--device_num=1", ENTRY]).entry == ROOT / ENTRY
    (tmp_path / ENTRY).touch()
    assert parse_options(["--device_num=1", ENTRY]).entry == tmp_path / ENTRY


def test_what_the_entry_script_is_told_counts_for_the_launcher_too() -> None:
    options = parse_options([ENTRY, "--device_num=4", "--device_target", "CPU", "--distribute", "True"])
    assert (options.device_num, options.device_target) == (4, "CPU")
    options = parse_options(["--device_num", "2", ENTRY, "--device_target=GPU"])
    assert options.device_target == "GPU"


def test_several_machines() -> None:
    machine = ["--device_num", "2", "--node_rank", "1", "--master_addr", "10.0.0.1", "--master_port", "9000"]
    assert parse_options([*machine, "--nodes", "3", ENTRY, "--device_num", "6"]).nodes == 3
    assert parse_options([*machine, "--worker_num", "6", ENTRY]).nodes == 3
    assert parse_options([*machine, "--worker_num", "6", "--nodes", "3", ENTRY]).node_rank == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--device_num 0 E", "--device_num: 0 processes are none -> use 1 or more"),
        ("--device_num -2 E", "--device_num: -2 processes are none -> use 1 or more"),
        ("--device_num two E", "argument --device_num: invalid int value: 'two' -> see launch.py --help"),
        ("E", "--device_num: how many processes? -> say --device_num N"),
        ("E --device_num many", "--device_num: 'many' is no number -> use 1 or more"),
        ("--device_num 2", "the following arguments are required: ENTRY.py"),
        ("--device_num 2 no_such.py", "no_such.py: no such entry script -> check the path"),
        ("--device_num 2 README.md", "README.md: this is no entry script -> name a Python file"),
        ("--device_num 2 E --device_num 3", "--device_num: launch.py starts 2 processes, the entry script is told 3"),
        ("--device_num 2 E --distribute false", "--distribute: launch.py says true, the entry script is told false"),
        ("--device_num 2 E --distribute=False", "--distribute: launch.py says true, the entry script is told false"),
        ("--device_num 2 --device_target GPU E --device_target CPU", "--device_target: launch.py says GPU"),
        ("--device_num 2 E --device_target TPU", "--device_target: unknown device target 'TPU'"),
        ("--device_num 2 --device_target TPU E", "argument --device_target: invalid choice: 'TPU'"),
        ("--device_num 2 E --device_id 1", "--device_id: each process gets a device of its own -> leave it out"),
        ("--device_num 2 --bind_cores maybe E", "argument --bind_cores: expected true or false, got 'maybe'"),
        ("--device_num 2 --grace_s -1 E", "argument --grace_s: expected a number of seconds, got '-1'"),
        ("--device_num 2 --stall_timeout_s nan E", "argument --stall_timeout_s: expected a number of seconds"),
        ("--device_num 2 --master_port 70000 E", "--master_port: 70000 is no port"),
        ("--device_num 2 --nodes 0 E", "--nodes: 0 machines are none"),
        ("--device_num 2 --node_rank 1 E", "--node_rank: 1 is not from 0 to 0"),
        ("--device_num 2 --nodes 2 --master_addr h E", "--master_port: several machines need one port that all know"),
        ("--device_num 2 --nodes 2 --master_port 9000 E", "--master_addr: the other machines cannot reach it"),
        ("--device_num 2 --worker_num 3 E", "--worker_num: 3 processes are no multiple of the 2 on this machine"),
        ("--device_num 2 --worker_num 4 --nodes 3 E", "--worker_num: 3 machines with 2 processes have 6, not 4"),
        ("--device_num 2 --rank_table_file x E", "--rank_table_file: a rank table is for Ascend"),
        ("--device_num 2 --server_id x E", "--server_id: it names a server of a rank table"),
    ],
)
def test_wrong_calls(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse_options([ENTRY if word == "E" else word for word in line.split()])
    assert message in str(found.value)


def test_help_is_quick_and_loads_no_mindspore() -> None:
    done, used_s = run_measured([sys.executable, str(ROOT / "launch.py"), "--help"])
    assert done.returncode == 0
    assert used_s < 1
    for option in ("--device_num", "--rank_table_file", "--stall_timeout_s", "--bind_cores", "--master_port"):
        assert option in done.stdout
    code = "import sys, src.runtime.launch.command; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_wrong_call_is_one_line_and_status_2(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "launch.py"), "--device_nun", "2", ENTRY]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
