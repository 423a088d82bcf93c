from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from src.common.errors import ConfigError, DeviceError
from src.runtime.launch import devices, ports
from src.runtime.launch.devices import split_cores
from src.runtime.launch.options import parse_options
from src.runtime.launch.plan import LaunchPlan, make_plan

ENTRY = "run_classifier.py"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("MS_", "RANK_", "GLOG_", "HCCL_", "CUDA_", "ASCEND_")):
            monkeypatch.delenv(name)


def plan_of(*words: str) -> LaunchPlan:
    return make_plan(parse_options([*words, ENTRY]))


def test_a_slow_process_does_not_end_the_job_unless_the_caller_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = plan_of("--device_num", "2").ranks[1].environment
    assert int(environment["MS_CPU_COMM_OP_TIMEOUT"]) >= 86400
    assert int(environment["MS_NODE_TIMEOUT"]) >= 300
    assert environment["GLOG_v"] == "3"
    monkeypatch.setenv("MS_CPU_COMM_OP_TIMEOUT", "77")
    monkeypatch.setenv("GLOG_v", "1")
    environment = plan_of("--device_num", "2").ranks[1].environment
    assert (environment["MS_CPU_COMM_OP_TIMEOUT"], environment["GLOG_v"]) == ("77", "1")


def test_scheduler_and_ranks_know_the_same_free_port() -> None:
    plan = plan_of("--device_num", "2")
    assert plan.scheduler is not None
    assert plan.scheduler.environment["MS_ROLE"] == "MS_SCHED"
    found = {process.environment["MS_SCHED_PORT"] for process in (plan.scheduler, *plan.ranks)}
    assert len(found) == 1
    ports.check_port("127.0.0.1", int(found.pop()))
    assert plan.whole_job


def test_only_machine_0_has_a_scheduler_and_ranks_count_over_machines() -> None:
    machines = ["--device_num", "2", "--nodes", "3", "--master_port", "9123", "--master_addr"]
    plan = plan_of(*machines, "10.255.255.1", "--node_rank", "2")
    assert plan.scheduler is None
    assert [process.rank for process in plan.ranks] == [4, 5]
    environment = plan.ranks[1].environment
    assert {
        name: environment[name] for name in ("RANK_ID", "DEVICE_ID", "RANK_SIZE", "MS_NODE_ID", "MS_WORKER_NUM")
    } == {
        "RANK_ID": "5",
        "DEVICE_ID": "1",
        "RANK_SIZE": "6",
        "MS_NODE_ID": "5",
        "MS_WORKER_NUM": "6",
    }
    assert environment["MS_SCHED_HOST"] == "10.255.255.1"
    assert environment["MS_SCHED_PORT"] == "9123"
    assert plan.ranks[0].command[-6:] == ("--distribute", "true", "--device_num", "6", "--device_target", "CPU")
    assert not plan.whole_job


def test_machine_0_needs_an_address_of_its_own() -> None:
    machines = ["--device_num", "1", "--nodes", "2", "--master_port", "9123", "--master_addr"]
    with pytest.raises(ConfigError, match="no address of this machine -> node 0 must be given one"):
        plan_of(*machines, "10.255.255.1")
    with pytest.raises(ConfigError, match="no address is known for the host"):
        plan_of(*machines, "no such host")


def test_what_the_entry_script_is_told_already_is_not_repeated() -> None:
    options = parse_options(["--device_num", "2", ENTRY, "--device_num=2", "--distribute", "true", "--x"])
    words = make_plan(options).ranks[0].command[2:]
    assert words == ("--device_num=2", "--distribute", "true", "--x", "--device_target", "CPU")


def test_hccl_timeout_on_ascend_without_a_rank_table(monkeypatch: pytest.MonkeyPatch) -> None:
    ascend = ("--device_num", "1", "--device_target", "Ascend")
    assert plan_of(*ascend).ranks[0].environment["HCCL_CONNECT_TIMEOUT"] == "600"
    monkeypatch.setenv("HCCL_CONNECT_TIMEOUT", "900")
    assert plan_of(*ascend).ranks[0].environment["HCCL_CONNECT_TIMEOUT"] == "900"
    asked = plan_of(*ascend, "--hccl_connect_timeout_s", "30").ranks[0].environment
    assert asked["HCCL_CONNECT_TIMEOUT"] == "30"
    assert "HCCL_CONNECT_TIMEOUT" not in plan_of("--device_num", "1").ranks[0].environment


def test_logs_lie_in_the_folder(tmp_path: Path) -> None:
    pattern = ("--device_num", "2", "--log_dir", str(tmp_path), "--log_name", "LOG{device}/x_{rank}.txt")
    plan = plan_of(*pattern)
    assert [process.log for process in plan.ranks] == [tmp_path / "LOG0/x_0.txt", tmp_path / "LOG1/x_1.txt"]
    assert re.fullmatch(r".*/runs/launch/\d{8}-\d{6}-\d+/rank_0\.log", str(plan_of("--device_num", "2").ranks[0].log))


@pytest.mark.parametrize("name", ["log", "{rank", "{host}{rank}", "../{rank}", "/tmp/{rank}", "{}{rank}"])
def test_bad_log_names(name: str) -> None:
    with pytest.raises(ConfigError, match="--log_name"):
        plan_of("--device_num", "2", "--log_name", name)


@pytest.mark.parametrize(
    ("cores", "parts", "expected"),
    [
        ([0, 1, 2, 3], 2, [[0, 1], [2, 3]]),
        ([0, 1, 2, 3, 4, 5, 6], 3, [[0, 1], [2, 3], [4, 5, 6]]),
        ([3, 9], 2, [[3], [9]]),
        ([5], 1, [[5]]),
    ],
)
def test_cores_are_split_evenly(cores: list[int], parts: int, expected: list[list[int]]) -> None:
    assert split_cores(cores, parts) == expected


def test_too_few_cores() -> None:
    with pytest.raises(ConfigError, match="1 cores cannot be shared by 2 processes"):
        split_cores([0], 2)


def test_too_few_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    gpus = ("--device_target", "GPU", "--device_num")
    assert len(plan_of(*gpus, "2").ranks) == 2
    with pytest.raises(DeviceError, match="3 processes need 3 GPU devices, there are 2"):
        plan_of(*gpus, "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(DeviceError, match="there are 1"):
        plan_of(*gpus, "2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool.write_text("#!/bin/sh\nexit 9\n")  # no driver: it cannot be told
    assert len(plan_of(*gpus, "3").ranks) == 3


def test_far_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert len(plan_of("--device_num", "64").ranks) == 64
    with pytest.raises(DeviceError, match=r"100000 processes are too many for 2 cores.* -> use at most 64"):
        plan_of("--device_num", "100000")


def test_ascend_devices_are_counted_where_there_is_a_driver(tmp_path: Path) -> None:
    assert devices.device_count("Ascend", tmp_path) is None
    for name in ("davinci_manager", "davinci0", "davinci1", "davinci12"):
        (tmp_path / name).touch()
    assert devices.device_count("Ascend", tmp_path) == 3


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.free_port("127.0.0.1")))
        other.listen()
        port = other.getsockname()[1]
        assert ports.free_port("127.0.0.1") != port
        with pytest.raises(DeviceError, match=f"port {port} .* cannot be used"):
            ports.check_port("127.0.0.1", port)
    ports.check_port("127.0.0.1", port)
