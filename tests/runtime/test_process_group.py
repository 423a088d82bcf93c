from __future__ import annotations

import pytest

from src.common.errors import DeviceError
from src.runtime import process_group
from src.runtime.process_group import ProcessGroup, join_process_group


def test_one_process() -> None:
    group = join_process_group(distribute=False)
    assert group == ProcessGroup(rank=0, size=1)
    assert group.is_main
    assert not group.distributed


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
