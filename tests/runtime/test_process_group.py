from __future__ import annotations

import pytest

from src.common.errors import DeviceError
from src.runtime import process_group
from src.runtime.process_group import ProcessGroup, join_process_group, local_device_id


def test_one_process() -> None:
    group = join_process_group(distribute=False)
    assert group == ProcessGroup(rank=0, size=1)
    assert group.is_main
    assert not group.distributed


@pytest.mark.parametrize(
    ("variables", "device"),
    [
        ({}, 0),
        ({"ASCEND_DEVICE_ID": "3"}, 3),
        ({"ASCEND_DEVICE_ID": "3", "DEVICE_ID": "5"}, 5),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "2"}, 2),
    ],
)
def test_the_launcher_says_which_device_is_meant(
    variables: dict[str, str], device: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEVICE_ID", "ASCEND_DEVICE_ID", "OMPI_COMM_WORLD_LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert local_device_id(True, 7) == device
    assert local_device_id(False, 7) == 7


def test_without_a_launcher() -> None:
    with pytest.raises(
        DeviceError, match=r"cannot join the other processes: .*-> start with launch.py, msrun or mpirun"
    ) as caught:
        join_process_group(distribute=True)
    assert "\n" not in str(caught.value)


def test_other_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group.communication, "init", lambda: None)
    monkeypatch.setattr(process_group.communication, "get_rank", lambda: 1)
    monkeypatch.setattr(process_group.communication, "get_group_size", lambda: 2)
    with pytest.raises(DeviceError, match="rank 1: device_num is 8, the group has 2 processes"):
        join_process_group(distribute=True, device_num=8)
