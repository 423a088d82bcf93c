"""Options of ``launch.py``: its own come before the entry script, those of the entry script after it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError

TARGETS = ("CPU", "GPU", "Ascend")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# Options that one process answers and that need no others.
ANSWERED_BY_ONE = ("--help", "-h", "--print_config")

_DESCRIPTION = """
Start an entry script in several processes that train together, one per device. The entry script is also given
--distribute true, --device_num (of all machines) and --device_target. The processes are watched: when one fails, hangs,
or this one is stopped, none stays behind. See docs/distributed.md.
"""


@dataclass(frozen=True)
class LaunchOptions:
    """The checked options; the command line's help says what each means."""

    entry: Path
    arguments: tuple[str, ...]
    device_num: int
    device_target: str
    nodes: int
    node_rank: int
    master_addr: str
    master_port: int
    rank_table_file: Path | None
    server_id: str
    hccn_config_file: Path | None
    hccl_connect_timeout_s: int | None
    log_dir: Path | None
    log_name: str
    grace_s: float
    stall_timeout_s: float
    slow_warning_s: float
    bind_cores: bool
    dry_run: bool

    @property
    def answered_by_one(self) -> bool:
        """Whether the entry script is only asked for its help or configuration."""
        return any(word in ANSWERED_BY_ONE for word in self.arguments)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = OneLineParser(
        prog="launch.py",
        usage="python launch.py --device_num N [OPTION ...] ENTRY.py [OPTION OF ENTRY.py ...]",
        description=_DESCRIPTION,
    )
    _add_processes(parser)
    _add_machines(parser)
    _add_rank_table(parser)
    _add_watch(parser)
    parser.add_argument("entry", metavar="ENTRY.py", help="script to run, such as run_pretrain.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="OPTION", help="options of the script")
    return parser


def _add_processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes of this machine")
    group.add_argument("--device_num", type=int, metavar="N", help="processes on this machine, one per device")
    group.add_argument("--device_target", choices=TARGETS, help="where they run; without it CPU")
    group.add_argument(
        "--bind_cores", type=_boolean, default=False, metavar="BOOL", help="give each process its own share of cores"
    )
    group.add_argument("--log_dir", default="", help="folder of the logs; empty takes runs/launch/DATE-TIME")
    group.add_argument("--log_name", default="rank_{rank}.log", help="log in it; {rank} and {device} are filled in")
    group.add_argument("--dry_run", action="store_true", help="print environment and command of each process and stop")


def _add_machines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several machines (the same call on each, but for --node_rank)")
    group.add_argument("--nodes", type=int, metavar="N", help="number of machines; without it 1")
    group.add_argument("--worker_num", type=int, metavar="N", help="processes of all machines, instead of --nodes")
    group.add_argument("--node_rank", type=int, default=0, metavar="N", help="number of this machine, from 0")
    group.add_argument("--master_addr", default="127.0.0.1", metavar="HOST", help="address of machine 0")
    group.add_argument(
        "--master_port", type=int, default=0, metavar="PORT", help="port on machine 0; 0 takes a free one"
    )


def _add_rank_table(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rank table (Ascend)")
    group.add_argument("--rank_table_file", metavar="FILE", help="hccl.json; it says how many processes there are")
    group.add_argument("--server_id", default="", metavar="ID", help="which of its servers this machine is")
    group.add_argument("--hccn_config_file", metavar="FILE", help="hccn.conf, which tells that too")
    group.add_argument(
        "--hccl_connect_timeout_s",
        type=int,
        metavar="S",
        help="HCCL_CONNECT_TIMEOUT; without it that of the caller or 600",
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("watch")
    group.add_argument("--grace_s", type=_seconds, default=60.0, metavar="S", help="time to save in after SIGTERM")
    group.add_argument(
        "--stall_timeout_s",
        type=_seconds,
        default=1800.0,
        metavar="S",
        help="no step of any process for so long: end all; 0: never",
    )
    group.add_argument(
        "--slow_warning_s",
        type=_seconds,
        default=120.0,
        metavar="S",
        help="others wait for a process so long: a warning; 0: never",
    )


def parse_options(argv: Sequence[str]) -> LaunchOptions:
    """Return the checked options.

    Raises:
        ConfigError: One is unknown, wrong, missing, or contradicts another.
    """
    given = make_parser().parse_args(argv)
    arguments = given.arguments
    target = _agreed("--device_target", given.device_target, arguments) or "CPU"
    if target not in TARGETS:
        raise ConfigError(f"unknown device target {target!r}", "--device_target", f"use one of {', '.join(TARGETS)}")
    if _agreed("--distribute", "true", [word.lower() for word in arguments]) != "true":
        raise ConfigError("launch.py starts processes that train together", "--distribute", "leave it out")
    if _value_of("--device_id", arguments) is not None:
        raise ConfigError("each process gets a device of its own", "--device_id", "leave it out")
    nodes, device_num = _counts(given, arguments)
    _check(given, target, nodes)
    return LaunchOptions(
        entry=_find(given.entry),
        arguments=tuple(arguments),
        device_num=device_num,
        device_target=target,
        nodes=nodes,
        node_rank=given.node_rank,
        master_addr=given.master_addr,
        master_port=given.master_port,
        rank_table_file=Path(given.rank_table_file) if given.rank_table_file else None,
        server_id=given.server_id,
        hccn_config_file=Path(given.hccn_config_file) if given.hccn_config_file else None,
        hccl_connect_timeout_s=given.hccl_connect_timeout_s,
        log_dir=Path(given.log_dir) if given.log_dir else None,
        log_name=given.log_name,
        grace_s=given.grace_s,
        stall_timeout_s=given.stall_timeout_s,
        slow_warning_s=given.slow_warning_s,
        bind_cores=given.bind_cores,
        dry_run=given.dry_run,
    )


def _counts(given: argparse.Namespace, arguments: Sequence[str]) -> tuple[int, int]:
    """Return the number of machines and of processes on this one (0: as the rank table says)."""
    asked = _value_of("--device_num", arguments)
    device_num = given.device_num
    if device_num is None and asked is not None and given.nodes is None and given.worker_num is None:
        device_num = _integer("--device_num", asked)
    if device_num is None:
        if given.rank_table_file:
            return 1, 0
        raise ConfigError("how many processes?", "--device_num", "say --device_num N")
    if device_num < 1:
        raise ConfigError(f"{device_num} processes are none", "--device_num", "use 1 or more")
    nodes = given.nodes
    if given.worker_num is not None:
        if given.worker_num < 1 or given.worker_num % device_num:
            raise ConfigError(
                f"{given.worker_num} processes are no multiple of the {device_num} on this machine",
                "--worker_num",
                "use the same --device_num on each machine",
            )
        nodes = given.worker_num // device_num if nodes is None else nodes
    nodes = 1 if nodes is None else nodes
    if given.worker_num not in (None, nodes * device_num):
        raise ConfigError(
            f"{nodes} machines with {device_num} processes have {nodes * device_num}, not {given.worker_num}",
            "--worker_num",
            "leave --worker_num or --nodes out",
        )
    if asked is not None and not given.rank_table_file and _integer("--device_num", asked) != nodes * device_num:
        raise ConfigError(
            f"launch.py starts {nodes * device_num} processes, the entry script is told {asked}",
            "--device_num",
            "give it once, before the entry script",
        )
    return nodes, device_num


def _check(given: argparse.Namespace, target: str, nodes: int) -> None:
    """Check what is left.

    Raises:
        ConfigError: A value is out of range or options contradict each other.
    """
    if nodes < 1:
        raise ConfigError(f"{nodes} machines are none", "--nodes", "use 1 or more")
    if not 0 <= given.node_rank < nodes:
        raise ConfigError(f"{given.node_rank} is not from 0 to {nodes - 1}", "--node_rank", "machines count from 0")
    if not 0 <= given.master_port < 65536:
        raise ConfigError(f"{given.master_port} is no port", "--master_port", "use 1024 to 65535")
    if nodes > 1 and given.master_port == 0:
        raise ConfigError("several machines need one port that all know", "--master_port", "say --master_port PORT")
    if nodes > 1 and given.master_addr in ("127.0.0.1", "localhost"):
        raise ConfigError("the other machines cannot reach it", "--master_addr", "give the address of machine 0")
    if given.rank_table_file and target != "Ascend":
        raise ConfigError("a rank table is for Ascend", "--rank_table_file", "say --device_target Ascend")
    if given.rank_table_file and nodes > 1:
        raise ConfigError("the rank table says which machines there are", "--nodes", "leave it out")
    if given.server_id and not given.rank_table_file:
        raise ConfigError("it names a server of a rank table", "--server_id", "say --rank_table_file FILE")


def _find(name: str) -> Path:
    """Return the entry script: in the current folder, or beside ``launch.py``.

    Raises:
        ConfigError: There is no such file, or it is none of Python's.
    """
    for path in (Path(name), Path(__file__).resolve().parents[3] / name):
        if path.is_file():
            if path.suffix != ".py":
                raise ConfigError("this is no entry script", name, "name a Python file, such as run_pretrain.py")
            return path.resolve()
    fix = "options of launch.py come before the entry script, its own after it" if name[:1] == "-" else "check the path"
    raise ConfigError("no such entry script", name, fix)


def _agreed(name: str, ours: str | None, arguments: Sequence[str]) -> str | None:
    """Return a value that may be given to us, to the entry script, or to both.

    Raises:
        ConfigError: Both are given and differ.
    """
    theirs = _value_of(name, arguments)
    if ours is not None and theirs not in (None, ours):
        raise ConfigError(f"launch.py says {ours}, the entry script is told {theirs}", name, "give it once")
    return theirs if ours is None else ours


def _value_of(name: str, arguments: Sequence[str]) -> str | None:
    """Return the value of an option of the entry script; the last counts, as there."""
    value = None
    for index, word in enumerate(arguments):
        if word == name:
            follows = arguments[index + 1 : index + 2]
            value = follows[0] if follows and not follows[0].startswith("--") else "true"
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no number", name, "use 1 or more") from error


def _boolean(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() in _TRUE


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return value
