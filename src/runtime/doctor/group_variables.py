"""Variables of a group of processes, which have to fit each other: rank tables, MindSpore's dynamic cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from src.common.errors import ConfigError
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine, whole_number
from src.runtime.doctor.variable_rules import address, choice, number
from src.runtime.launch.rank_table import RankTable, read_rank_table

TOPIC = Topic("process group")
TABLE_VARIABLES = ("RANK_TABLE_FILE", "MINDSPORE_HCCL_CONFIG_PATH")
_CLUSTER = {
    "MS_ROLE": choice("MS_WORKER", "MS_SCHED", "MS_PSERVER"),
    "MS_WORKER_NUM": number(1),
    "MS_SCHED_HOST": address,
    "MS_SCHED_PORT": number(1, 65535),
    "MS_NODE_ID": number(),
}
_RANKS = {"RANK_ID": number(), "RANK_SIZE": number(1), "DEVICE_ID": number()}
_UNSET_ALL = "unset MS_ROLE MS_WORKER_NUM MS_SCHED_HOST MS_SCHED_PORT MS_NODE_ID RANK_ID RANK_SIZE"
# With less, MindSpore ends the job when one process is late at a sum (measured on a CPU).
_PATIENT_S = 60


def probe(machine: Machine, device_target: str) -> Iterator[Finding]:
    """Yield what there is to say about the group that the variables describe."""
    given = {name: machine.value(name) for name in (*_CLUSTER, *_RANKS) if machine.value(name)}
    tables = [name for name in TABLE_VARIABLES if machine.value(name)]
    if not given and not tables:
        yield TOPIC.ok("no variables of a launcher are set: a run has one process, or those that launch.py starts")
        return
    wrong = list(_wrong_values(machine, given))
    yield from wrong
    if not wrong:
        if given:
            yield TOPIC.ok(", ".join(f"{name}={value}" for name, value in given.items()))
        yield from check_ranks(given)
        yield from check_cluster(machine, given, bool(tables))
    for name in tables:
        yield from check_table(Path(machine.value(name)), name, device_target, given if not wrong else {})
    if len(tables) == 2 and machine.value(tables[0]) != machine.value(tables[1]):
        yield TOPIC.warning(f"{tables[0]} and {tables[1]} name two files", f"unset {tables[1]}")


def _wrong_values(machine: Machine, given: dict[str, str]) -> Iterator[Finding]:
    for name, value in given.items():
        problem = {**_CLUSTER, **_RANKS}[name](value)
        if problem:
            yield TOPIC.error(
                f"{machine.shown(name)} {problem}", f"unset {name}, or start with launch.py, which sets it"
            )


def check_ranks(given: dict[str, str]) -> Iterator[Finding]:
    """Check the number of this process against the size of the group."""
    rank, size = given.get("RANK_ID"), given.get("RANK_SIZE")
    if rank is not None and size is not None and int(rank) >= int(size):
        yield TOPIC.error(f"RANK_ID={rank}: the {size} ranks go from 0 to {int(size) - 1}", "correct one of them")


def check_cluster(machine: Machine, given: dict[str, str], table: bool) -> Iterator[Finding]:
    """Check the variables of MindSpore's dynamic cluster, which launch.py and msrun set for each process."""
    role = given.get("MS_ROLE")
    if role is None:
        if "RANK_SIZE" in given and int(given["RANK_SIZE"]) > 1 and not table:
            yield TOPIC.note(
                f"RANK_SIZE={given['RANK_SIZE']} without a rank table or MS_ROLE has no effect",
                "unset RANK_SIZE RANK_ID, or start with launch.py",
            )
        return
    missing = [name for name in ("MS_WORKER_NUM", "MS_SCHED_HOST", "MS_SCHED_PORT") if name not in given]
    if missing:
        yield TOPIC.error(f"MS_ROLE={role} without {', '.join(missing)}: a process of a group cannot join", _UNSET_ALL)
    else:
        yield TOPIC.warning(
            f"MS_ROLE={role}: a run started from here with --distribute true waits for the other processes of a "
            "launcher; in a shell these variables are left over",
            _UNSET_ALL,
        )
    if table:
        yield TOPIC.error("a rank table and MS_ROLE are two ways to start a group", f"{_UNSET_ALL}, or unset the table")
    size, workers = given.get("RANK_SIZE"), given.get("MS_WORKER_NUM")
    if size is not None and workers is not None and int(size) != int(workers):
        yield TOPIC.error(f"RANK_SIZE={size} and MS_WORKER_NUM={workers} differ", _UNSET_ALL)
    timeout = whole_number(machine.value("MS_NODE_TIMEOUT"))
    if timeout is not None and timeout < _PATIENT_S and not machine.value("MS_CPU_COMM_OP_TIMEOUT"):
        yield TOPIC.warning(
            f"MS_NODE_TIMEOUT={timeout} ends the job when a process is {timeout} s late", "export MS_NODE_TIMEOUT=300"
        )


def check_table(path: Path, name: str, device_target: str, given: dict[str, str]) -> Iterator[Finding]:
    """Check a rank table, and the rank and device of this process in it."""
    try:
        table = read_rank_table(path)
    except ConfigError as error:
        where = "" if not error.where else f"{error.where}: "
        yield TOPIC.bad(device_target == "Ascend", f"{name}: {where}{error.what}", error.fix)
        return
    servers = "1 server" if len(table.servers) == 1 else f"{len(table.servers)} servers"
    yield TOPIC.ok(f"{name}={path}: {table.size} ranks on {servers}")
    if not path.is_absolute():
        yield TOPIC.warning(
            f"{name}={path} is relative: it is searched in the folder of each process", "write it whole"
        )
    if device_target != "Ascend":
        yield TOPIC.note(f"only Ascend reads {name}", f"unset {name}, or look with --device_target Ascend")
    yield from _check_place(table, name, given)


def _check_place(table: RankTable, name: str, given: dict[str, str]) -> Iterator[Finding]:
    """Check the variables of this process against the table."""
    if "RANK_SIZE" in given and int(given["RANK_SIZE"]) != table.size:
        yield TOPIC.error(f"RANK_SIZE={given['RANK_SIZE']}, and {name} lists {table.size}", "correct one of them")
    if "RANK_ID" not in given:
        yield TOPIC.note(f"{name} without RANK_ID: launch.py --rank_table_file sets it", "start with launch.py")
        return
    devices = {device.rank: device.device for rows in table.servers.values() for device in rows}
    rank = int(given["RANK_ID"])
    if rank not in devices:
        yield TOPIC.error(f"RANK_ID={rank} is not in {name}: its ranks go from 0 to {table.size - 1}", "correct it")
    elif "DEVICE_ID" in given and int(given["DEVICE_ID"]) != devices[rank]:
        yield TOPIC.error(
            f"DEVICE_ID={given['DEVICE_ID']}, and {name} gives rank {rank} the device {devices[rank]}",
            f"export DEVICE_ID={devices[rank]}",
        )
