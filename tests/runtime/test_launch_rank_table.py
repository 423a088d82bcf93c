from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError
from src.runtime.launch.options import parse_options
from src.runtime.launch.plan import make_plan
from src.runtime.launch.rank_table import read_rank_table


def server(name: str, ranks: range) -> dict[str, Any]:
    net = name[-1] if name[-1].isdecimal() else "0"
    rows = [{"device_id": str(i), "device_ip": f"192.{net}.0.{i}", "rank_id": str(r)} for i, r in enumerate(ranks)]
    return {"server_id": name, "device": rows, "host_nic_ip": "reserve"}


def table(*servers: dict[str, Any], **keys: Any) -> dict[str, Any]:
    count = {"server_count": str(len(servers))}
    return {"version": "1.0", **count, "server_list": list(servers), "status": "completed", **keys}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    def to_file(content: Any) -> Path:
        path = tmp_path / "hccl.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


TWO = table(server("10.255.0.1", range(2)), server("10.255.0.2", range(2, 4)))


def test_environment_of_each_rank_without_a_scheduler(write: Callable[[Any], Path]) -> None:
    path = write(TWO)
    words = ["--device_target", "Ascend", "--rank_table_file", str(path), "--server_id", "10.255.0.2"]
    plan = make_plan(parse_options([*words, "--hccl_connect_timeout_s", "300", "run_classifier.py"]))
    assert plan.scheduler is None
    names = ("RANK_TABLE_FILE", "RANK_SIZE", "RANK_ID", "DEVICE_ID", "HCCL_CONNECT_TIMEOUT")
    for process, rank, device in zip(plan.ranks, "23", "01", strict=True):
        values = [process.environment[name] for name in names]
        assert values == [str(path), "4", rank, device, "300"]
        assert not any(name.startswith("MS_") for name in process.environment)
        assert process.command[-6:] == ("--distribute", "true", "--device_num", "4", "--device_target", "Ascend")


def test_which_server_this_is(write: Callable[[Any], Path], tmp_path: Path) -> None:
    found = read_rank_table(write(TWO))
    hccn = tmp_path / "hccn.conf"
    hccn.write_text("address_0=192.2.0.0\nnetmask_0=255.255.255.0\n")
    assert [device.rank for device in found.here("", hccn)] == [2, 3]
    assert [device.rank for device in found.here("10.255.0.1", hccn)] == [0, 1]
    with pytest.raises(ConfigError, match=r"none of its servers is this machine -> say which with --server_id \(10"):
        found.here("", tmp_path / "no such file")
    with pytest.raises(ConfigError, match=r"no server 'x' -> its servers are 10\.255\.0\.1, 10\.255\.0\.2"):
        found.here("x")
    local = read_rank_table(write(table(server("10.255.0.1", range(1)), server("127.0.0.1", range(1, 2)))))
    assert [device.rank for device in local.here()] == [1]
    alone = read_rank_table(write(table(server("10.255.0.1", range(3)))))
    assert [device.rank for device in alone.here()] == [0, 1, 2]


def test_numbers_may_be_numbers(write: Callable[[Any], Path]) -> None:
    content = {"server_list": [{"server_id": "a", "device": [{"device_id": 5, "rank_id": 0}]}]}
    found = read_rank_table(write(content))
    assert [(device.rank, device.device) for device in found.here()] == [(0, 5)]


def without(key: str) -> dict[str, Any]:
    content = table(server("10.255.0.1", range(2)))
    del content["server_list"][0]["device"][1][key]
    return content


def changed(key: str, value: Any) -> dict[str, Any]:
    content = table(server("10.255.0.1", range(2)))
    content["server_list"][0]["device"][1][key] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the rank table is no JSON"),
        ([], "the list server_list is missing or empty"),
        ({}, "the list server_list is missing or empty"),
        (table(), "the list server_list is missing or empty"),
        (table({"server_id": "a"}), "server_list[0]: the list device is missing or empty"),
        (table({"device": [{}]}), "server_list[0]: the key server_id is missing"),
        (table({"server_id": "a", "device": [3]}), "server_list[0].device[0]: the key rank_id is missing"),
        (without("rank_id"), "server_list[0].device[1]: the key rank_id is missing"),
        (without("device_id"), "server_list[0].device[1]: the key device_id is missing"),
        (changed("rank_id", "one"), "server_list[0].device[1]: rank_id is 'one', not a number from 0 on"),
        (changed("rank_id", "-1"), "rank_id is '-1'"),
        (changed("rank_id", "0"), "rank_id: 0 is there 2 times"),
        (changed("rank_id", "5"), "rank_id 1 is missing: ranks go from 0 to 1"),
        (changed("device_ip", "999.1.1.1"), "device[1]: device_ip is '999.1.1.1', which is no address"),
        (changed("device_id", "0"), "device_id of server 10.255.0.1: 0 is there 2 times"),
        (table(server("a", range(1)), server("a", range(1, 2))), "server_id a is there twice"),
        (table(server("a", range(1)), status="initializing"), "the status of the rank table is 'initializing'"),
        (table(server("a", range(1)), server_count="2"), "server_count is 2, 1 are listed"),
    ],
)
def test_wrong_tables(write: Callable[[Any], Path], content: Any, message: str) -> None:
    path = write(content)
    with pytest.raises(ConfigError) as found:
        read_rank_table(path)
    assert message in str(found.value)
    assert str(found.value).startswith(str(path))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the rank table: No such file or directory -> check the path"):
        read_rank_table(tmp_path / "hccl.json")


def test_a_number_of_devices_that_contradicts_the_table(write: Callable[[Any], Path]) -> None:
    words = ["--device_target", "Ascend", "--rank_table_file", str(write(table(server("a", range(2))))), "--device_num"]
    assert len(make_plan(parse_options([*words, "2", "run_classifier.py"])).ranks) == 2
    with pytest.raises(ConfigError, match="it lists 2 devices for this machine, --device_num is 8"):
        make_plan(parse_options([*words, "8", "run_classifier.py"]))
