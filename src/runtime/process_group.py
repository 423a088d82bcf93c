"""Rank and size of this process in a data-parallel group; a run of one process is a group of one."""

from __future__ import annotations

import os
from dataclasses import dataclass

import mindspore as ms
from mindspore import communication

from src.common.errors import DeviceError

# Set by launch.py and msrun, by ModelArts, and by mpirun.
_LOCAL_DEVICE_VARIABLES = ("DEVICE_ID", "ASCEND_DEVICE_ID", "OMPI_COMM_WORLD_LOCAL_RANK")


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


ONE_PROCESS = ProcessGroup()


def local_device_id(distribute: bool, configured: int) -> int:
    """Return the number of the device that this process computes on.

    Args:
        distribute: Whether a launcher started several processes: it then says which device belongs to this one.
        configured: ``device_id`` of the configuration, for a run of one process.

    Raises:
        DeviceError: The launcher's number is none.
    """
    if not distribute:
        return configured
    name = next((name for name in _LOCAL_DEVICE_VARIABLES if name in os.environ), "")
    text = os.environ.get(name, "0")
    if not text.isdecimal():
        raise DeviceError(f"{text!r} is no number of a device", name, "start with launch.py, msrun or mpirun")
    return int(text)


def join_process_group(distribute: bool, device_num: int = 1) -> ProcessGroup:
    """Join the group that a launcher (``msrun``, ``mpirun``, a rank table) described in the environment.

    Call it after ``setup_device`` and before cells are made. Every process begins with weights of its own:
    ``share_parameters`` gives all of them those of rank 0.

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
            f"cannot join the other processes: {message}", "distribute", "start with launch.py, msrun or mpirun"
        ) from error
    if device_num not in (1, group.size):
        raise DeviceError(
            f"device_num is {device_num}, the group has {group.size} processes", f"rank {group.rank}", "make them equal"
        )
    # The train cell sums gradients itself (normalizers are global), so MindSpore must neither sum nor average. Nor may
    # it broadcast: it does so with every graph that it compiles, and a train graph of another batch length, compiled
    # earlier, then goes on with weights that nobody updates any more.
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL,
        gradients_mean=False,
        device_num=group.size,
        parameter_broadcast=False,
    )
    return group
