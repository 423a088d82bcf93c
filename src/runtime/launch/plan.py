"""What is started: the environment, the command, the log and the cores of each process."""

from __future__ import annotations

import datetime
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from src.common.errors import ConfigError
from src.runtime.launch import ports
from src.runtime.launch.devices import check_device_count, split_cores, usable_cores
from src.runtime.launch.options import LaunchOptions
from src.runtime.launch.rank_table import read_rank_table

PROJECT = Path(__file__).resolve().parents[3]
SCHEDULER = "scheduler"
SCHEDULER_MODULE = "src.runtime.scheduler"
# What a caller may set otherwise. A slow process must not end the job: the launcher's watch decides who waits too long.
_PATIENCE = {
    "MS_NODE_TIMEOUT": "300",
    "MS_TOPO_TIMEOUT": "600",
    "MS_CPU_COMM_OP_TIMEOUT": "86400",
    "MS_RETRY_INTERVAL_LOWER": "1",
    "MS_RETRY_INTERVAL_UPPER": "1",
}
# Errors only: MindSpore warns of each attempt to connect to processes that have not started yet.
_QUIET = {"GLOG_v": "3"}
_HCCL_CONNECT_TIMEOUT_S = 600


@dataclass(frozen=True)
class ProcessPlan:
    """One process.

    Attributes:
        name: ``rank 0`` or ``scheduler``.
        command: Program and arguments.
        environment: The variables that are set on top of the launcher's.
        log: Where its output goes.
        rank: Its number among the ranks of all machines; ``None`` for the scheduler.
        cores: The cores it is bound to; empty for all.
        folder: Where it runs; ``None`` for the current folder.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    rank: int | None = None
    cores: tuple[int, ...] = ()
    folder: Path | None = None

    def as_text(self) -> str:
        """Return what to type for this process alone."""
        bound = ["taskset", "-c", ",".join(map(str, self.cores))] if self.cores else []
        variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        return f"# {self.name}, log {self.log}\n{' '.join(variables)} {shlex.join([*bound, *self.command])}"


@dataclass(frozen=True)
class LaunchPlan:
    """All processes of this machine.

    Attributes:
        ranks: The processes that train, in the order of their ranks.
        scheduler: The process through which they find each other, on machine 0 only.
        size: Number of ranks on all machines.
        log_dir: Folder of the logs.
    """

    ranks: tuple[ProcessPlan, ...]
    scheduler: ProcessPlan | None
    size: int
    log_dir: Path

    @property
    def whole_job(self) -> bool:
        """Whether no other machine has a part in it."""
        return self.size == len(self.ranks)


@dataclass(frozen=True)
class _Group:
    """Rank and device of each process here, how many there are on all machines, and what all are told."""

    places: list[tuple[int, int]]
    size: int
    common: dict[str, str] = field(default_factory=dict)
    scheduler_here: bool = False


def make_plan(options: LaunchOptions) -> LaunchPlan:
    """Return what is to be started; nothing is started or written.

    Raises:
        ConfigError: The rank table or an address is wrong.
        DeviceError: The port is taken, or devices are missing.
    """
    group = _table_group(options) if options.rank_table_file else _cluster_group(options)
    log_dir = (options.log_dir or _default_log_dir()).resolve()
    count = len(group.places)
    cores = split_cores(usable_cores(), count) if options.bind_cores else [[]] * count
    command = (sys.executable, str(options.entry), *options.arguments, *told_options(options, group.size))
    ranks = []
    for (rank, device), own_cores in zip(group.places, cores, strict=True):
        environment = {
            **group.common,
            **_rank_environment(rank, device, options, group.size),
            **_with_defaults(_QUIET),
        }
        log = log_dir / _log_name(options.log_name, rank, device)
        ranks.append(ProcessPlan(f"rank {rank}", command, environment, log, rank, tuple(own_cores)))
    if len({plan.log for plan in ranks}) < count:
        raise ConfigError("all processes would write the same log", "--log_name", "put {rank} into it")
    scheduler = _scheduler(group, options, log_dir) if group.scheduler_here else None
    return LaunchPlan(tuple(ranks), scheduler, group.size, log_dir)


def _cluster_group(options: LaunchOptions) -> _Group:
    """Return the processes of MindSpore's dynamic cluster, on CPU, GPU and Ascend."""
    check_device_count(options.device_target, options.device_num)
    address, port = ports.resolve(options.master_addr), options.master_port
    if options.node_rank == 0:
        port = port or ports.free_port(address)
        ports.check_port(address, port)
    size = options.nodes * options.device_num
    common = {
        **_with_defaults(_PATIENCE),
        "MS_WORKER_NUM": str(size),
        "MS_SCHED_HOST": address,
        "MS_SCHED_PORT": str(port),
        "RANK_SIZE": str(size),
    }
    first = options.node_rank * options.device_num
    places = [(first + number, number) for number in range(options.device_num)]
    return _Group(places, size, common, options.node_rank == 0)


def _table_group(options: LaunchOptions) -> _Group:
    """Return the processes that a rank table lists for this machine; they find each other without a scheduler."""
    assert options.rank_table_file is not None
    table = read_rank_table(options.rank_table_file)
    devices = table.here(options.server_id, options.hccn_config_file)
    if options.device_num not in (0, len(devices)):
        raise ConfigError(
            f"it lists {len(devices)} devices for this machine, --device_num is {options.device_num}",
            str(options.rank_table_file),
            "leave --device_num out",
        )
    check_device_count("Ascend", len(devices))
    common = {"RANK_TABLE_FILE": str(table.path), "RANK_SIZE": str(table.size)}
    return _Group([(device.rank, device.device) for device in devices], table.size, common)


def _rank_environment(rank: int, device: int, options: LaunchOptions, size: int) -> dict[str, str]:
    """Return what only this rank is told, and what depends on the kind of device."""
    variables = {"RANK_ID": str(rank), "DEVICE_ID": str(device), "PYTHONUNBUFFERED": "1"}
    if not options.rank_table_file:
        variables |= {"MS_ROLE": "MS_WORKER", "MS_NODE_ID": str(rank)}
    if options.device_target == "Ascend":
        timeout = options.hccl_connect_timeout_s
        inherited = os.environ.get("HCCL_CONNECT_TIMEOUT", str(_HCCL_CONNECT_TIMEOUT_S))
        variables["HCCL_CONNECT_TIMEOUT"] = inherited if timeout is None else str(timeout)
    return variables


def _scheduler(group: _Group, options: LaunchOptions, log_dir: Path) -> ProcessPlan:
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**group.common, "MS_ROLE": "MS_SCHED", "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    command = (sys.executable, "-m", SCHEDULER_MODULE)
    # Python searches the current folder first, and there may be another "src" in the caller's.
    return ProcessPlan(SCHEDULER, command, environment, log_dir / f"{SCHEDULER}.log", folder=log_dir)


def told_options(options: LaunchOptions, size: int) -> list[str]:
    """Return the options that the entry script is given in addition, unless it has them."""
    told = {"--distribute": "true", "--device_num": str(size), "--device_target": options.device_target}
    there = {word.partition("=")[0] for word in options.arguments}
    return [word for name, value in told.items() if name not in there for word in (name, value)]


def _log_name(pattern: str, rank: int, device: int) -> str:
    try:
        name = pattern.format(rank=rank, device=device)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{pattern!r} cannot be filled in", "--log_name", "use only {rank} and {device}") from error
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(f"{pattern!r} is no name inside the log folder", "--log_name", "see --log_dir")
    return name


def _default_log_dir() -> Path:
    # With the process number, so that two launches in one second do not share a folder.
    now = datetime.datetime.now().astimezone()
    return Path("runs") / "launch" / f"{now:%Y%m%d-%H%M%S}-{os.getpid()}"


def _with_defaults(defaults: Mapping[str, str]) -> dict[str, str]:
    """Return variables with the values that the caller's environment has already."""
    return {name: os.environ.get(name, value) for name, value in defaults.items()}
