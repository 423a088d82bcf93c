from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.pretrain_scripts import ROOT, Scripts, make_scripts

FOLDER = ROOT / "scripts" / "ascend_distributed_launcher"
DEVICES = [{"device_id": str(i), "device_ip": f"192.168.100.{i}", "rank_id": str(i)} for i in range(2)]
TABLE = {"server_count": "1", "server_list": [{"server_id": "10.0.0.1", "device": DEVICES}], "status": "completed"}
# Stands in place of run_pretrain.py: writes what it is given.
ENTRY = """
import json, os, sys
if "--print_config" in sys.argv:
    sys.exit(print("error: --bad: unknown key", file=sys.stderr) or 2 if "--bad=1" in sys.argv else 0)
names = ("RANK_TABLE_FILE", "RANK_SIZE", "RANK_ID", "DEVICE_ID", "HCCL_CONNECT_TIMEOUT")
print(json.dumps([{name: os.environ[name] for name in names}, sys.argv[1:]]), flush=True)
sys.exit(3 if os.environ["RANK_ID"] == "1" and "--fail=1" in sys.argv else 0)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project as far as it is needed, with a stand-in for run_pretrain.py and a rank table."""
    folder = tmp_path / "the project"
    (folder / "scripts").mkdir(parents=True)
    for name in ("src", "launch.py", "pretrain_config.yaml", "scripts/common.sh"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "scripts" / "run_distributed_pretrain_ascend.sh").symlink_to(
        ROOT / "scripts" / "run_distributed_pretrain_ascend.sh"
    )
    launcher = folder / "scripts" / "ascend_distributed_launcher"
    launcher.mkdir()
    for path in FOLDER.glob("*.*"):
        (launcher / path.name).write_text(path.read_text())
    (folder / "run_pretrain.py").write_text(ENTRY)
    (folder / "hccl.json").write_text(json.dumps(TABLE))
    (folder / "my data").mkdir()
    return folder


def make_command(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            str(project / "scripts/ascend_distributed_launcher/get_distribute_pretrain_cmd.py"),
            f"--run_script_dir={project}",
            "--data_dir=my data",
            "--hccl_config_dir=hccl.json",
            *arguments,
        ],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(scripts: Scripts, project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return scripts.call(
        str(project / "scripts/run_distributed_pretrain_ascend.sh"), *arguments, PYTHON=sys.executable, **environment
    )


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    made = make_scripts(tmp_path)
    (made.folder / "data").mkdir()
    return made


def test_the_ini_file_has_the_documented_keys_and_none_that_is_refused() -> None:
    parser = configparser.ConfigParser()
    parser.read(FOLDER / "hyper_parameter_config.ini")
    documented = (
        "distribute epoch_size enable_save_ckpt do_shuffle enable_data_sink data_sink_steps accumulation_steps"
        " allreduce_post_accumulation save_checkpoint_path save_checkpoint_num config_path"
    )
    assert set(parser["config"]) == set(documented.split())


def test_the_command_starts_every_device_with_its_environment(project: Path) -> None:
    made = make_command(project, "--hccl_time_out=300", "--train_steps=5")
    assert (made.returncode, made.stderr) == (0, "")
    done = subprocess.run(["bash", "distributed_cmd.sh"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for rank in "01":
        environment, arguments = json.loads((project / f"LOG{rank}" / "pretraining_log.txt").read_text())
        assert environment == {
            "RANK_TABLE_FILE": str(project / "hccl.json"),
            "RANK_SIZE": "2",
            "RANK_ID": rank,
            "DEVICE_ID": rank,
            "HCCL_CONNECT_TIMEOUT": "300",
        }
        for word in ("--distribute=true", "--epoch_size=40", f"--data_dir={project}/my data", "--train_steps=5"):
            assert word in arguments
        assert f"--config_path={(project / 'pretrain_config.yaml').resolve()}" in arguments
        assert arguments[-4:] == ["--device_num", "2", "--device_target", "Ascend"]


def test_the_exit_status_of_a_process_is_that_of_the_command(project: Path) -> None:
    assert make_command(project, "--fail=1").returncode == 0
    done = subprocess.run(["bash", "distributed_cmd.sh"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "error: rank 1: exit status 3" in done.stderr


def test_a_dry_run_prints_the_commands_and_writes_nothing(project: Path) -> None:
    before = sorted(project.rglob("*.*"))
    done = make_command(project, "--dry_run")
    assert (done.returncode, done.stderr) == (0, "")
    blocks = done.stdout.split("\n\n")
    assert len(blocks) == 2
    for rank, block in enumerate(blocks):
        for text in (f"RANK_ID={rank}", f"DEVICE_ID={rank}", "HCCL_CONNECT_TIMEOUT=120", f"taskset -c {rank}"):
            assert text in block
        assert f"LOG{rank}/pretraining_log.txt" in block
    assert sorted(project.rglob("*.*")) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[config]\ndevice_id=0\n", "device_id may not be set here: the rank table gives each process its device"),
        ("[config]\ndevice_num=8\n", "device_num may not be set here"),
        ("[config]\ndata_dir=x\n", "data_dir may not be set here: give it as --data_dir"),
        ("epoch_size=1\n", "write KEY=VALUE below [config]"),
        ("[config]\nepoch_size\n", "write KEY=VALUE below [config]"),
        ("[other]\nepoch_size=1\n", "there is no section [config]"),
    ],
)
def test_wrong_ini_files(project: Path, text: str, message: str) -> None:
    (project / "my.ini").write_text(text)
    done = make_command(project, "--hyper_parameter_config_dir=my.ini")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: my.ini: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (project / "distributed_cmd.sh").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hyper_parameter_config_dir=no.ini"], "error: no.ini: No such file or directory"),
        (["--run_script_dir=nowhere"], "nowhere/launch.py: no such file -> check --run_script_dir"),
        (["--hccl_config_dir=no.json"], "no.json: cannot read the rank table"),
        (["--hccl_time_out=long"], "argument --hccl_time_out: invalid int value: 'long'"),
        (["--bad=1"], "error: --bad: unknown key"),
        (["--server_id=x"], "no server 'x' -> its servers are 10.0.0.1"),
        (["--cmd_file=hccl.json"], "hccl.json: a file that was not written here -> choose another --cmd_file"),
        (["--cmd_file=no/folder/x.sh"], "no/folder/x.sh: No such file or directory -> choose another --cmd_file"),
    ],
)
def test_wrong_calls(project: Path, arguments: list[str], message: str) -> None:
    done = make_command(project, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (project / "distributed_cmd.sh").exists()
    assert json.loads((project / "hccl.json").read_text()) == TABLE


def test_the_command_may_be_written_anew(project: Path) -> None:
    assert make_command(project).returncode == 0
    assert make_command(project, "--train_steps=7").returncode == 0
    assert "--train_steps=7" in (project / "distributed_cmd.sh").read_text()


def test_the_script_in_this_terminal(scripts: Scripts, project: Path) -> None:
    table = str(project / "hccl.json")
    done = script(scripts, project, "data", table, "--fail=1", "--foreground", HCCL_CONNECT_TIMEOUT="77")
    assert done.returncode == 3, done.stderr
    # Rank 0 may be ended before it has said anything, as rank 1 fails.
    environment, arguments = json.loads((scripts.folder / "LOG1" / "pretraining_log.txt").read_text())
    assert environment["HCCL_CONNECT_TIMEOUT"] == "77"
    assert f"--data_dir={scripts.folder}/data" in arguments
    assert not (scripts.folder / "pretraining_log.txt").exists()


def test_the_script_in_the_background(scripts: Scripts, project: Path) -> None:
    done = script(scripts, project, "data", str(project / "hccl.json"))
    assert done.returncode == 0, done.stderr
    text = scripts.finished_log()
    assert text.endswith("exit status: 0\n")
    assert '"RANK_ID": "0"' in text
    assert json.loads((scripts.folder / "LOG1" / "pretraining_log.txt").read_text())[0]["HCCL_CONNECT_TIMEOUT"] == "600"


def test_a_dry_run_of_the_script(scripts: Scripts, project: Path) -> None:
    done = script(scripts, project, "data", str(project / "hccl.json"), "--dry_run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("RANK_TABLE_FILE=") == 2
    assert [path.name for path in scripts.folder.iterdir()] == ["data"]


@pytest.mark.parametrize("arguments", [(), ("data",), ("data", "hccl.json", "more")])
def test_wrong_calls_of_the_script(scripts: Scripts, project: Path, arguments: tuple[str, ...]) -> None:
    done = script(scripts, project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("error: expected 2 words before the options, got ")
    assert done.stderr.startswith("usage: bash scripts/run_distributed_pretrain_ascend.sh DATA_DIR RANK_TABLE_FILE")


def test_mistakes_show_at_once(scripts: Scripts, project: Path) -> None:
    done = script(scripts, project, "data", "no.json")
    assert done.returncode == 2
    assert "no.json: cannot read the rank table" in done.stderr
    done = script(scripts, project, "nix", str(project / "hccl.json"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nix: no such folder")
    assert [path.name for path in scripts.folder.iterdir()] == ["data"]
