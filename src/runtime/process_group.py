"""Rank and size of this process in a data-parallel group; a run of one process is a group of one."""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
from mindspore import communication

from src.common.errors import DeviceError


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def distributed(self) -> bool:
        """Whether gradients have to be summed over processes."""
        return self.size > 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes checkpoints and logs."""
        return self.rank == 0


def join_process_group(distribute: bool, device_num: int = 1) -> ProcessGroup:
    """Join the group that a launcher (``msrun``, ``mpirun``, a rank table) described in the environment.

    Call it after ``setup_device`` and before cells are made: with ``distribute`` the first compiled graph sends
    rank 0's parameters to all.

    Args:
        distribute: Whether this run has several processes.
        device_num: Number of processes that the configuration asks for; checked unless it is 1.

    Raises:
        DeviceError: There is no launcher, a process is missing, or the group has another size.
    """
    if not distribute:
        return ProcessGroup()
    try:
        communication.init()
        group = ProcessGroup(communication.get_rank(), communication.get_group_size())
    except (RuntimeError, ValueError, TypeError) as error:
        message = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise DeviceError(
            f"cannot join the other processes: {message}", "distribute", "start with msrun or mpirun"
        ) from error
    if device_num not in (1, group.size):
        raise DeviceError(
            f"device_num is {device_num}, the group has {group.size} processes", f"rank {group.rank}", "make them equal"
        )
    # The train cell sums gradients itself (normalizers are global), so MindSpore must neither sum nor average.
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL,
        gradients_mean=False,
        device_num=group.size,
        parameter_broadcast=True,
    )
    return group
