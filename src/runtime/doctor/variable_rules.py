"""What is known of environment variables that change what MindSpore, CANN, HCCL or OpenMP do."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from src.common.heartbeat import HEARTBEAT_VARIABLE
from src.common.json_files import read_json
from src.runtime.doctor.findings import Level
from src.runtime.doctor.machine import whole_number
from src.runtime.doctor.system import first_existing, write_problem

PREFIXES = ("MS_", "MINDSPORE_", "GLOG_", "HCCL_", "ASCEND_", "RANK_", "DEVICE_", "OMP_")


@dataclass(frozen=True)
class Rule:
    """What is known of a variable.

    Attributes:
        problem: Returns what is wrong with a value; empty for a right one.
        level: How bad a wrong value is: ``ERROR`` where MindSpore or this project stops, ``WARNING`` where the value
            is not heeded. Those of GLOG and MINDSPORE_DUMP_CONFIG were tried with MindSpore 2.10.0 on a CPU; what CANN
            and HCCL take is what their documentation says.
        meaning: What a right value does, where that is worth a note.
    """

    problem: Callable[[str], str]
    level: Level = "WARNING"
    meaning: str = ""


def number(least: int = 0, most: int = 10**9) -> Callable[[str], str]:
    """Return the check for a whole number."""

    def check(value: str) -> str:
        found = whole_number(value)
        if found is not None and least <= found <= most:
            return ""
        return f"is no number from {least} to {most}" if most < 10**9 else f"is no number from {least} on"

    return check


def choice(*values: str) -> Callable[[str], str]:
    """Return the check for one of a few words."""
    return lambda value: "" if value in values else f"is none of {', '.join(values)}"


def folders(value: str) -> str:
    """Check a list of folders, of which each must be there."""
    missing = [part for part in value.split(os.pathsep) if part and not Path(part).is_dir()]
    return f"names folders that are not there: {', '.join(missing)}" if missing else ""


def writable_folder(value: str) -> str:
    """Check a folder that is written to; it is made where it is not there."""
    there = first_existing(Path(value))
    problem = write_problem(there) if there.is_dir() else "it is no folder"
    return f"cannot be written: {problem}" if problem else ""


def json_file(value: str) -> str:
    """Check the absolute path of a json file."""
    if not Path(value).is_absolute():
        return "is no absolute path"
    try:
        read_json(Path(value))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:
        return f"is no JSON: {error}"
    return ""


def address(value: str) -> str:
    """Check an IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "is no IP address"
    return ""


def device_list(value: str) -> str:
    """Check numbers of devices with commas between."""
    names = [part.strip() for part in value.split(",")]
    if any(whole_number(name) is None for name in names):
        return "is no list of device numbers such as 0,1"
    return "" if len(set(names)) == len(names) else "names a device twice"


def threads(value: str) -> str:
    """Check a number of threads, or numbers for nested loops with commas between."""
    ok = all(whole_number(part.strip()) for part in value.split(","))
    return "" if ok else "is no number from 1 on: it is not heeded"


def anything(value: str) -> str:
    """Accept any value."""
    return ""


_LEVEL = Rule(choice("0", "1", "2", "3", "4"), "ERROR")
_FLAG = choice("0", "1")
RULES: dict[str, Rule] = {
    "GLOG_v": _LEVEL,
    "GLOG_stderrthreshold": _LEVEL,
    "GLOG_logtostderr": Rule(_FLAG, "ERROR"),
    "GLOG_log_dir": Rule(writable_folder, "ERROR"),
    "MS_SUBMODULE_LOG_v": Rule(anything, meaning="MindSpore's parts log at levels of their own"),
    "MINDSPORE_DUMP_CONFIG": Rule(json_file, "ERROR", "MindSpore writes tensors to files: slow, and much disk"),
    "MS_DIAGNOSTIC_DATA_PATH": Rule(writable_folder),
    "MS_ASCEND_CHECK_OVERFLOW_MODE": Rule(choice("INFNAN_MODE", "SATURATION_MODE")),
    "MS_JIT": Rule(_FLAG, meaning="0: graphs are not compiled, and every step is slow"),
    "MS_COMPILER_CACHE_ENABLE": Rule(_FLAG, meaning="no effect here: its cache gives graphs of other networks, too"),
    "MS_COMPILER_CACHE_PATH": Rule(writable_folder),
    "MS_BUILD_PROCESS_NUM": Rule(number(1, 24)),
    "MS_DEV_SAVE_GRAPHS": Rule(choice("0", "1", "2", "3"), meaning="every compiled graph is written to files"),
    "MS_DEV_SAVE_GRAPHS_PATH": Rule(writable_folder),
    "MS_SIMULATION_LEVEL": Rule(number(0, 3), meaning="MindSpore only pretends to run on the device"),
    "MS_SYNC_RUN": Rule(_FLAG),
    "MS_DEV_LAUNCH_BLOCKING": Rule(_FLAG, meaning="1: waits after every operator, and is slow"),
    "MS_ALLOC_CONF": Rule(anything),
    "MS_MEMORY_STATISTIC": Rule(number(0, 3)),
    "MS_PROFILER_OPTIONS": Rule(anything, meaning="the profiler is on"),
    "MS_TOPO_TIMEOUT": Rule(number(1)),
    "MS_NODE_TIMEOUT": Rule(number(1)),
    "MS_CPU_COMM_OP_TIMEOUT": Rule(number(1)),
    "MS_RECEIVE_MSG_TIMEOUT": Rule(number(1)),
    "MS_RETRY_INTERVAL_LOWER": Rule(number(1)),
    "MS_RETRY_INTERVAL_UPPER": Rule(number(1)),
    "MS_ENABLE_RECOVERY": Rule(_FLAG),
    "HCCL_CONNECT_TIMEOUT": Rule(number(120, 7200)),
    "HCCL_EXEC_TIMEOUT": Rule(number(0, 2147483647)),
    "HCCL_IF_IP": Rule(address),
    "HCCL_IF_BASE_PORT": Rule(number(1024, 65520)),
    "HCCL_SOCKET_IFNAME": Rule(anything),
    "HCCL_SOCKET_FAMILY": Rule(choice("AF_INET", "AF_INET6")),
    "HCCL_WHITELIST_DISABLE": Rule(_FLAG),
    "HCCL_WHITELIST_FILE": Rule(json_file),
    "HCCL_BUFFSIZE": Rule(number(1)),
    "HCCL_DETERMINISTIC": Rule(choice("true", "false", "strict")),
    "HCCL_ALGO": Rule(anything),
    "ASCEND_HOME_PATH": Rule(folders),
    "ASCEND_TOOLKIT_HOME": Rule(folders),
    "ASCEND_OPP_PATH": Rule(folders),
    "ASCEND_AICPU_PATH": Rule(folders),
    "ASCEND_CUSTOM_OPP_PATH": Rule(folders),
    "ASCEND_RT_VISIBLE_DEVICES": Rule(device_list),
    "ASCEND_VISIBLE_DEVICES": Rule(anything),
    "ASCEND_DEVICE_ID": Rule(number()),
    "ASCEND_GLOBAL_LOG_LEVEL": Rule(number(0, 4)),
    "ASCEND_GLOBAL_EVENT_ENABLE": Rule(_FLAG),
    "ASCEND_SLOG_PRINT_TO_STDOUT": Rule(_FLAG, meaning="1: the log of CANN goes to the terminal"),
    "ASCEND_PROCESS_LOG_PATH": Rule(writable_folder),
    "ASCEND_WORK_PATH": Rule(writable_folder),
    "ASCEND_LAUNCH_BLOCKING": Rule(_FLAG, meaning="1: waits after every operator, and is slow"),
    "OMP_NUM_THREADS": Rule(threads),
    "OMP_PROC_BIND": Rule(anything),
    "OMP_PLACES": Rule(anything),
    HEARTBEAT_VARIABLE: Rule(anything, meaning="left over from launch.py, which alone sets it"),
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": Rule(choice("python", "upb", "cpp")),
}
# They are checked together, in group_variables.py.
GROUP_VARIABLES = (
    "RANK_TABLE_FILE",
    "MINDSPORE_HCCL_CONFIG_PATH",
    "RANK_ID",
    "RANK_SIZE",
    "DEVICE_ID",
    "MS_ROLE",
    "MS_WORKER_NUM",
    "MS_SCHED_HOST",
    "MS_SCHED_PORT",
    "MS_NODE_ID",
)
