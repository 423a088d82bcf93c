from __future__ import annotations

import pytest

from src.cloud.ranks import Place, read_place
from src.common.errors import DeviceError


@pytest.mark.parametrize(
    ("variables", "distribute", "place"),
    [
        ({}, False, Place(0, 1, 1, 0)),
        ({"RANK_ID": "3", "RANK_SIZE": "8", "MA_NUM_HOSTS": "1", "VC_TASK_INDEX": "0"}, True, Place(3, 8, 1, 0)),
        ({"RANK_ID": "9", "RANK_SIZE": "16", "VC_WORKER_NUM": "2", "VC_TASK_INDEX": "1"}, True, Place(9, 16, 2, 1)),
        ({"RANK_ID": "9", "RANK_SIZE": "16", "DLS_TASK_NUMBER": "2"}, True, Place(9, 16, 2, 1)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, True, Place(1, 2, 1, 0)),
    ],
)
def test_the_place_of_a_process(variables: dict[str, str], distribute: bool, place: Place) -> None:
    assert read_place(variables, distribute) == place
    assert place.sends == (place.rank == 0)


@pytest.mark.parametrize(
    ("variables", "distribute", "expected"),
    [
        ({"RANK_ID": "x"}, False, "RANK_ID: 'x' is no number"),
        ({"RANK_ID": "8", "RANK_SIZE": "8"}, True, "RANK_ID: rank 8 is not below"),
        ({"RANK_ID": "1", "RANK_SIZE": "8"}, False, "RANK_SIZE: 8 processes were started, and each would train by its"),
        ({"MA_NUM_HOSTS": "2"}, False, "MA_NUM_HOSTS: the job has 2 machines, but RANK_SIZE tells of 1 process"),
        (
            {"RANK_ID": "1", "RANK_SIZE": "8", "VC_WORKER_NUM": "2", "VC_TASK_INDEX": "5"},
            True,
            "VC_TASK_INDEX: machine 5 of 2",
        ),
    ],
)
def test_contradictions(variables: dict[str, str], distribute: bool, expected: str) -> None:
    with pytest.raises(DeviceError) as caught:
        read_place(variables, distribute)
    assert str(caught.value).startswith(expected)
