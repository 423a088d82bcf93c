"""Which process of which machine this is, as launchers and ModelArts say it in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.common.errors import DeviceError

# The first of each that is set counts. RANK_ID and RANK_SIZE: ModelArts (Ascend), launch.py, msrun; OMPI: mpirun.
_RANK = ("RANK_ID", "OMPI_COMM_WORLD_RANK")
_SIZE = ("RANK_SIZE", "OMPI_COMM_WORLD_SIZE")
# Machines of the job: ModelArts by its present names, its scheduler's, and its earlier one.
_MACHINES = ("MA_NUM_HOSTS", "VC_WORKER_NUM", "DLS_TASK_NUMBER")
_MACHINE = ("VC_TASK_INDEX", "DLS_TASK_INDEX")


@dataclass(frozen=True)
class Place:
    """The place of this process in its job.

    Attributes:
        rank: Its number among the processes of all machines.
        size: How many there are.
        machines: How many machines take part.
        machine: Number of this one; the one of rank 0 is 0.
    """

    rank: int
    size: int
    machines: int
    machine: int

    @property
    def sends(self) -> bool:
        """Whether this process sends the results: the one that writes them."""
        return self.rank == 0


def read_place(environment: Mapping[str, str], distribute: bool) -> Place:
    """Return the place of this process.

    Args:
        environment: The variables.
        distribute: Whether the configuration says that several processes work together.

    Raises:
        DeviceError: The variables contradict each other or the configuration.
    """
    rank, rank_name = _number(environment, _RANK, 0)
    size, size_name = _number(environment, _SIZE, 1)
    machines, machines_name = _number(environment, _MACHINES, 1)
    if rank >= max(size, 1):
        what = f"rank {rank} is not below the number of processes, {size}"
        raise DeviceError(what, rank_name, f"set {size_name or _SIZE[0]} too, or start with launch.py")
    if size > 1 and not distribute:
        what = f"{size} processes were started, and each would train by itself and write the same results"
        raise DeviceError(what, size_name, "add distribute=true, or take one device")
    if machines > 1 and size < machines:
        what = f"the job has {machines} machines, but {size_name or _SIZE[0]} tells of {size} process"
        raise DeviceError(
            what, machines_name, "take one machine, or start with launch.py --nodes on each (docs/distributed.md)"
        )
    # Where nothing numbers the machines, only rank 0 itself is known to be on the first.
    machine, machine_name = _number(environment, _MACHINE, 0 if machines == 1 or rank == 0 else 1)
    if machines == 1 or rank == 0:
        machine = 0
    if machine >= max(machines, 2):
        raise DeviceError(f"machine {machine} of {machines}", machine_name, f"set {machines_name or _MACHINES[0]} too")
    return Place(rank, size, machines, machine)


def _number(environment: Mapping[str, str], names: tuple[str, ...], otherwise: int) -> tuple[int, str]:
    """Return the value of the first variable that is set, and its name."""
    name = next((name for name in names if environment.get(name)), "")
    if not name:
        return otherwise, ""
    text = environment[name]
    if not text.isdecimal():
        raise DeviceError(f"{text!r} is no number", name, "unset it, or start with launch.py, msrun or mpirun")
    return int(text), name
