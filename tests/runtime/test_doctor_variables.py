from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.runtime.doctor import group_variables, variables
from src.runtime.doctor.variable_rules import GROUP_VARIABLES, RULES
from tests.runtime.doctor_support import make_machine, only, texts, write


def look(tmp_path: Path, usable: int = 4, **environment: str) -> list[str]:
    return texts(variables.probe(make_machine(tmp_path, environment), usable))


def table_file(tmp_path: Path, *devices: int) -> Path:
    rows = [{"device_id": str(d), "device_ip": "1.1.1.1", "rank_id": str(r)} for r, d in enumerate(devices)]
    servers = [{"server_id": "10.0.0.1", "device": rows}]
    content = {"version": "1.0", "server_count": "1", "server_list": servers, "status": "completed"}
    return write(tmp_path / "hccl.json", json.dumps(content))


def group(tmp_path: Path, target: str = "Ascend", **environment: str) -> list[str]:
    return texts(group_variables.probe(make_machine(tmp_path, environment), target))


def test_nothing_is_set(tmp_path: Path) -> None:
    assert look(tmp_path) == ["OK       none of MindSpore, CANN, HCCL and OpenMP is set"]
    assert group(tmp_path) == [
        "OK       no variables of a launcher are set: a run has one process, or those that launch.py starts"
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("GLOG_v", "2", "OK       GLOG_v=2"),
        ("GLOG_v", "7", "ERROR    GLOG_v=7 is none of 0, 1, 2, 3, 4"),
        ("GLOG_v", " 2 ", "OK       GLOG_v= 2 "),
        ("GLOG_v", "", "NOTE     GLOG_v is empty -> unset GLOG_v"),
        ("GLOG_logtostderr", "2", "ERROR    GLOG_logtostderr=2 is none of 0, 1"),
        ("MINDSPORE_DUMP_CONFIG", "dump.json", "ERROR    MINDSPORE_DUMP_CONFIG=dump.json is no absolute path"),
        (
            "MINDSPORE_DUMP_CONFIG",
            "/no/dump.json",
            "ERROR    MINDSPORE_DUMP_CONFIG=/no/dump.json cannot be read: No such",
        ),
        (
            "MS_ASCEND_CHECK_OVERFLOW_MODE",
            "INFNAN",
            "WARNING  MS_ASCEND_CHECK_OVERFLOW_MODE=INFNAN is none of INFNAN_MODE",
        ),
        ("MS_ASCEND_CHECK_OVERFLOW_MODE", "INFNAN_MODE", "OK       MS_ASCEND_CHECK_OVERFLOW_MODE=INFNAN_MODE"),
        ("MS_JIT", "0", "NOTE     MS_JIT=0: 0: graphs are not compiled"),
        ("MS_BUILD_PROCESS_NUM", "25", "WARNING  MS_BUILD_PROCESS_NUM=25 is no number from 1 to 24"),
        ("HCCL_CONNECT_TIMEOUT", "600", "OK       HCCL_CONNECT_TIMEOUT=600"),
        ("HCCL_CONNECT_TIMEOUT", "60", "WARNING  HCCL_CONNECT_TIMEOUT=60 is no number from 120 to 7200"),
        ("HCCL_CONNECT_TIMEOUT", "10m", "WARNING  HCCL_CONNECT_TIMEOUT=10m is no number from 120 to 7200"),
        ("HCCL_IF_IP", "node1", "WARNING  HCCL_IF_IP=node1 is no IP address"),
        ("HCCL_IF_IP", "10.0.0.1", "OK       HCCL_IF_IP=10.0.0.1"),
        ("ASCEND_OPP_PATH", "/no/opp", "WARNING  ASCEND_OPP_PATH=/no/opp names folders that are not there: /no/opp"),
        ("ASCEND_RT_VISIBLE_DEVICES", "0,0", "WARNING  ASCEND_RT_VISIBLE_DEVICES=0,0 names a device twice"),
        ("ASCEND_RT_VISIBLE_DEVICES", "0,x", "WARNING  ASCEND_RT_VISIBLE_DEVICES=0,x is no list of device numbers"),
        ("ASCEND_RT_VISIBLE_DEVICES", "0, 1", "OK       ASCEND_RT_VISIBLE_DEVICES=0, 1"),
        ("ASCEND_GLOBAL_LOG_LEVEL", "9", "WARNING  ASCEND_GLOBAL_LOG_LEVEL=9 is no number from 0 to 4"),
        ("MS_NODE_TIMEOUT", "soon", "WARNING  MS_NODE_TIMEOUT=soon is no number from 1 on"),
        ("ALBERT_HEARTBEAT_FILE", "/x", "NOTE     ALBERT_HEARTBEAT_FILE=/x: left over from launch.py"),
    ],
)
def test_single_variables(tmp_path: Path, name: str, value: str, line: str) -> None:
    assert look(tmp_path, **{name: value})[0].startswith(line)


def test_every_rule_says_something_of_any_value(tmp_path: Path) -> None:
    for name in RULES:
        assert len(texts(variables._check(name, make_machine(tmp_path, {name: "\u00e4 %s {x} ../.."})))) == 1
    assert not set(RULES) & set(GROUP_VARIABLES)


def test_a_log_that_goes_nowhere(tmp_path: Path) -> None:
    found = look(tmp_path, GLOG_logtostderr="0")
    assert "ERROR    GLOG_logtostderr=0 without GLOG_log_dir: MindSpore cannot be imported -> " in "\n".join(found)
    folder = tmp_path / "logs" / "deep"
    assert look(tmp_path, GLOG_logtostderr="0", GLOG_log_dir=str(folder)) == [
        f"OK       GLOG_log_dir={folder}",
        "OK       GLOG_logtostderr=0",
    ]
    assert not folder.exists()
    file = write(tmp_path / "file")
    assert look(tmp_path, GLOG_log_dir=str(file))[0].startswith(
        f"ERROR    GLOG_log_dir={file} cannot be written: it is no folder -> "
    )


def test_a_dump_that_is_on_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "dump.json", "{}")
    assert look(tmp_path, MINDSPORE_DUMP_CONFIG=str(path))[0].startswith(
        f"NOTE     MINDSPORE_DUMP_CONFIG={path}: MindSpore writes tensors to files"
    )
    write(path, "{")
    assert f"ERROR    MINDSPORE_DUMP_CONFIG={path} is no JSON: " in look(tmp_path, MINDSPORE_DUMP_CONFIG=str(path))[0]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("4", None),
        ("8", "WARNING  OMP_NUM_THREADS=8, and there are 4 cores to use: threads wait for each other"),
        ("1", "NOTE     OMP_NUM_THREADS=1 leaves 3 of 4 cores unused"),
        ("4,2", None),
    ],
)
def test_threads(tmp_path: Path, value: str, line: str | None) -> None:
    first, *more = look(tmp_path, OMP_NUM_THREADS=value)
    assert first == f"OK       OMP_NUM_THREADS={value}"
    assert [text.startswith(str(line)) for text in more] == ([True] if line else [])


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5"])
def test_threads_that_are_no_number(tmp_path: Path, value: str) -> None:
    assert look(tmp_path, OMP_NUM_THREADS=value)[0].startswith(
        f"WARNING  OMP_NUM_THREADS={value} is no number from 1 on: it is not heeded"
    )


def test_typing_errors_and_unknown_variables(tmp_path: Path) -> None:
    found = look(tmp_path, HCCL_CONNECT_TIMOUT="600", MS_DEV_SOMETHING="1")
    assert found == [
        "WARNING  HCCL_CONNECT_TIMOUT is no known variable -> did you mean HCCL_CONNECT_TIMEOUT?",
        "NOTE     set and not checked: MS_DEV_SOMETHING",
    ]


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = "\n".join(
        look(tmp_path, HCCL_ALGO="https://me:geheim@host/x", MS_SECRET_TOKEN="geheim2", HCCL_IF_IP="geheim3")
    )
    assert "geheim@" not in found
    assert "geheim2" not in found
    assert "HCCL_ALGO=https://***@host/x" in found


def test_what_pythonpath_hides(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder / "numpy" / "__init__.py")
    write(folder / "json.py")
    write(folder / "src" / "__init__.py")
    found = look(tmp_path, PYTHONPATH=f"{folder}:/no/such/folder")
    assert found[:3] == [
        f"WARNING  PYTHONPATH: {folder} hides the installed numpy, json -> leave the folder out of PYTHONPATH",
        f"NOTE     PYTHONPATH: {folder} has a package src too, the name of this project's -> leave it out, or start "
        "commands in the project's folder",
        "NOTE     PYTHONPATH names /no/such/folder, which is not there -> leave it out",
    ]


def test_the_project_on_pythonpath_is_well(tmp_path: Path) -> None:
    write(tmp_path / "project" / "src" / "__init__.py")
    machine = make_machine(tmp_path, {"PYTHONPATH": str(tmp_path / "project")})
    assert texts(variables.check_python_path(machine)) == []
    assert (
        "WARNING  PYTHONHOME=/x" in texts(variables.check_python_path(make_machine(tmp_path, {"PYTHONHOME": "/x"})))[0]
    )


def test_libraries(tmp_path: Path) -> None:
    found = look(tmp_path, LD_LIBRARY_PATH=f"/no/lib:{tmp_path}", LD_PRELOAD="/no/libgomp.so")
    assert found[:2] == [
        "NOTE     LD_LIBRARY_PATH names folders that are not there: /no/lib -> leave them out",
        "WARNING  LD_PRELOAD names files that are not there: /no/libgomp.so -> unset LD_PRELOAD",
    ]
    assert (
        look(tmp_path, LD_PRELOAD="libgomp.so.1")[0]
        == "NOTE     LD_PRELOAD=libgomp.so.1 -> unset it unless you mean it"
    )


def test_a_right_rank_table(tmp_path: Path) -> None:
    path = table_file(tmp_path, 4, 5)
    variables_ = {"RANK_TABLE_FILE": str(path), "RANK_ID": "1", "RANK_SIZE": "2", "DEVICE_ID": "5"}
    assert group(tmp_path, **variables_) == [
        "OK       RANK_ID=1, RANK_SIZE=2, DEVICE_ID=5",
        f"OK       RANK_TABLE_FILE={path}: 2 ranks on 1 server",
    ]
    assert group(tmp_path, "CPU", **variables_)[2].startswith("NOTE     only Ascend reads RANK_TABLE_FILE")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "NOTE     RANK_TABLE_FILE without RANK_ID: launch.py --rank_table_file sets it"),
        ({"RANK_ID": "2"}, "ERROR    RANK_ID=2 is not in RANK_TABLE_FILE: its ranks go from 0 to 1"),
        ({"RANK_ID": "0", "RANK_SIZE": "8"}, "ERROR    RANK_SIZE=8, and RANK_TABLE_FILE lists 2"),
        ({"RANK_ID": "0", "DEVICE_ID": "5"}, "ERROR    DEVICE_ID=5, and RANK_TABLE_FILE gives rank 0 the device 4"),
        ({"RANK_ID": "0", "MS_ROLE": "MS_WORKER"}, "ERROR    a rank table and MS_ROLE are two ways to start a group"),
    ],
)
def test_a_rank_table_and_other_variables(tmp_path: Path, more: dict[str, str], line: str) -> None:
    found = group(tmp_path, RANK_TABLE_FILE=str(table_file(tmp_path, 4, 5)), **more)
    assert any(text.startswith(line) for text in found), found


@pytest.mark.parametrize(("target", "level"), [("Ascend", "ERROR  "), ("CPU", "WARNING")])
def test_a_broken_rank_table(tmp_path: Path, target: str, level: str) -> None:
    path = write(tmp_path / "hccl.json", "{")
    assert group(tmp_path, target, RANK_TABLE_FILE=str(path))[0].startswith(
        f"{level}  RANK_TABLE_FILE: {path}: the rank table is no JSON"
    )
    missing = tmp_path / "none.json"
    assert group(tmp_path, target, RANK_TABLE_FILE=str(missing)) == [
        f"{level}  RANK_TABLE_FILE: {missing}: cannot read the rank table: No such file or directory -> check the path"
    ]


def test_a_relative_rank_table_and_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table_file(tmp_path, 0)
    monkeypatch.chdir(tmp_path)
    found = group(tmp_path, RANK_TABLE_FILE="hccl.json", MINDSPORE_HCCL_CONFIG_PATH=str(tmp_path / "hccl.json"))
    assert any(text.startswith("WARNING  RANK_TABLE_FILE=hccl.json is relative") for text in found)
    assert "WARNING  RANK_TABLE_FILE and MINDSPORE_HCCL_CONFIG_PATH name two files" in found[-1]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("RANK_ID", "one", "RANK_ID=one is no number from 0 on"),
        ("RANK_SIZE", "0", "RANK_SIZE=0 is no number from 1 on"),
        ("DEVICE_ID", "-1", "DEVICE_ID=-1 is no number from 0 on"),
        ("MS_ROLE", "WORKER", "MS_ROLE=WORKER is none of MS_WORKER, MS_SCHED, MS_PSERVER"),
        ("MS_SCHED_PORT", "99999", "MS_SCHED_PORT=99999 is no number from 1 to 65535"),
        ("MS_SCHED_HOST", "node0", "MS_SCHED_HOST=node0 is no IP address"),
    ],
)
def test_wrong_values_of_a_group(tmp_path: Path, name: str, value: str, what: str) -> None:
    assert group(tmp_path, **{name: value}) == [
        f"ERROR    {what} -> unset {name}, or start with launch.py, which sets it"
    ]


CLUSTER = {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "2", "MS_SCHED_HOST": "127.0.0.1", "MS_SCHED_PORT": "8118"}


def test_what_another_job_has_left_in_the_shell(tmp_path: Path) -> None:
    assert "WARNING  MS_ROLE=MS_WORKER: a run started from here" in group(tmp_path, **CLUSTER)[1]
    half = {name: CLUSTER[name] for name in ("MS_ROLE", "MS_WORKER_NUM")}
    assert "ERROR    MS_ROLE=MS_WORKER without MS_SCHED_HOST, MS_SCHED_PORT" in group(tmp_path, **half)[1]
    assert "ERROR    RANK_SIZE=8 and MS_WORKER_NUM=2 differ" in group(tmp_path, **CLUSTER, RANK_SIZE="8")[2]
    alone = group(tmp_path, RANK_SIZE="8", RANK_ID="3")
    assert alone[1].startswith("NOTE     RANK_SIZE=8 without a rank table or MS_ROLE has no effect")
    assert "ERROR    RANK_ID=8: the 8 ranks go from 0 to 7" in group(tmp_path, RANK_SIZE="8", RANK_ID="8")[1]


def test_an_impatient_group(tmp_path: Path) -> None:
    found = texts(group_variables.probe(make_machine(tmp_path, {**CLUSTER, "MS_NODE_TIMEOUT": "10"}), "CPU"))
    assert found[-1].startswith("WARNING  MS_NODE_TIMEOUT=10 ends the job when a process is 10 s late")
    patient = {**CLUSTER, "MS_NODE_TIMEOUT": "10", "MS_CPU_COMM_OP_TIMEOUT": "600"}
    assert len(texts(group_variables.probe(make_machine(tmp_path, patient), "CPU"))) == 2


def test_a_clean_cluster_has_one_finding_for_its_values(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"DEVICE_ID": "3"})
    assert only(group_variables.probe(machine, "Ascend")).as_line() == "OK       DEVICE_ID=3"
