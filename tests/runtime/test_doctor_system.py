from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.common.run_lock import RunLock
from src.runtime.doctor import leftovers, processor, system
from src.runtime.doctor.system import GIB, MIB, Encodings
from tests.runtime.doctor_support import add_program, make_machine, only, texts, write

CPUINFO = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse avx avx2 fma\n"
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"


def test_cores_and_vectors(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, files={"proc/cpuinfo": CPUINFO})
    assert texts(processor.check_cores(machine, 4, 4)) == ["OK       Some CPU, 4 cores"]
    assert texts(processor.check_cores(machine, 1, 4)) == ["OK       Some CPU, 1 of 4 cores"]
    assert texts(processor.check_vectors(machine)) == ["OK       vector instructions: avx, avx2, fma"]


@pytest.mark.parametrize(
    ("cpuinfo", "line"),
    [
        ("flags : fpu sse avx\n", "WARNING  no avx2: MindSpore is slow here, or ends with 'Illegal instruction'"),
        ("Features : fp asimd fphp\n", "OK       vector instructions: asimd, fphp"),
        ("Features : fp\n", "WARNING  no asimd"),
        ("", "NOTE     the vector instructions of this processor are not known"),
    ],
)
def test_vector_instructions(tmp_path: Path, cpuinfo: str, line: str) -> None:
    machine = make_machine(tmp_path, files={"proc/cpuinfo": cpuinfo})
    assert only(processor.check_vectors(machine)).as_line().startswith(line)


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"sys/fs/cgroup/cpu.max": "nonsense\n"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/x/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_the_share_of_a_container(tmp_path: Path, files: dict[str, str], share: float | None) -> None:
    assert processor.cpu_share(make_machine(tmp_path, files=files)) == share


def test_less_time_than_cores(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, files={"sys/fs/cgroup/cpu.max": "150000 100000\n"})
    (found,) = texts(processor.check_cores(machine, 8, 8), "WARNING")
    assert found == (
        "WARNING  this container may use the time of 1.5 cores, and MindSpore starts threads for 8 -> "
        "export OMP_NUM_THREADS=1, or start it with --cpuset-cpus"
    )
    assert texts(processor.check_cores(machine, 1, 8), "WARNING") == []


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"proc/meminfo": MEMINFO}, "OK       8.0 of 16.0 GiB are free"),
        ({"proc/meminfo": MEMINFO.replace("8388608", "2097152")}, "WARNING  2.0 of 16.0 GiB are free: few for"),
        ({"proc/meminfo": MEMINFO.replace("8388608", "524288")}, "ERROR    0.5 of 16.0 GiB are free"),
        ({}, "NOTE     the size of the memory is not known"),
        (
            {
                "proc/meminfo": MEMINFO,
                "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
                "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
            },
            "WARNING  1.0 of the container's 4.0 GiB are free",
        ),
        ({"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory.max": "max\n"}, "OK       8.0 of 16.0 GiB"),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            "OK       8.0 of 16.0 GiB",
        ),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], line: str) -> None:
    assert only(processor.check_memory(make_machine(tmp_path, files=files))).as_line().startswith(line)


def test_space(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    (line,) = texts(system.check_disk(folder, "runs", good=0, least=0))
    assert line.startswith("OK       runs: ")
    assert line.endswith(f" GiB are free in {folder}")
    assert not folder.parent.exists()
    huge = 1 << 62
    assert only(system.check_disk(folder, "runs", good=huge, least=0)).level == "WARNING"
    assert only(system.check_disk(folder, "runs", good=huge, least=huge)).level == "ERROR"


def test_space_is_told_with_what_there_is_and_what_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = os.statvfs_result((4096, 4096, 20 * GIB // 4096, GIB // 4096, GIB // 2 // 4096, 10, 9, 9, 0, 255))
    monkeypatch.setattr(system.os, "statvfs", lambda path: state)
    free = f"runs: 0.5 of 20.0 GiB are free in {tmp_path}/runs"
    assert only(system.check_disk(Path("runs"), "runs", good=0, least=0)).as_line() == f"OK       {free}"
    assert only(system.check_disk(Path("runs"), "runs", good=5 * GIB, least=GIB)).as_line() == (
        f"ERROR    {free}, and 5.0 GiB are wanted -> free some space or choose another folder"
    )


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "file")
    assert only(system.check_disk(file / "runs", "runs", good=0, least=0)).what == f"runs: {file} is no folder"
    # The tests may run as root, who may write everywhere but here.
    assert only(system.check_disk(Path("/proc/runs"), "runs", good=0, least=0)).level == "ERROR"
    monkeypatch.setattr(system, "write_problem", lambda folder: "Permission denied")
    assert "cannot be written: Permission denied" in only(system.check_disk(tmp_path, "runs", good=0, least=0)).what


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make_machine(tmp_path)
    assert only(system.check_shared_memory(machine)).as_line() == (
        "NOTE     there is no /dev/shm -> in a container, start it with --shm-size=1g"
    )
    (machine.root / "dev" / "shm").mkdir(parents=True)
    assert only(system.check_shared_memory(machine)).level == "OK"
    state = os.statvfs_result((4096, 4096, 16384, 16384, 16384, 10, 10, 10, 0, 255))
    monkeypatch.setattr(system.os, "statvfs", lambda path: state)
    assert only(system.check_shared_memory(machine)).what == "/dev/shm: 64 MiB free"


def test_used_up_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = os.statvfs_result((4096, 4096, 1 << 40, 1 << 40, 1 << 40, 10, 0, 0, 0, 255))
    monkeypatch.setattr(system.os, "statvfs", lambda path: state)
    assert "its inodes are used up" in only(system.check_disk(tmp_path, "runs", good=0, least=0)).what


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        ({}, ["OK       open files: no limit; no limit for the size of a file"]),
        ({"RLIMIT_NOFILE": 4096}, ["OK       open files: 4,096; no limit for the size of a file"]),
        ({"RLIMIT_NOFILE": 256}, ["WARNING  at most 256 open files; 1,024 are needed now and then -> ulimit -n 65536"]),
        ({"RLIMIT_FSIZE": GIB}, ["WARNING  a file may have at most 1.0 GiB -> ulimit -f unlimited"]),
        ({"RLIMIT_AS": 2 * GIB}, ["WARNING  a process may map at most 2.0 GiB -> ulimit -v unlimited"]),
        ({"RLIMIT_STACK": MIB}, ["WARNING  at most 1,048,576 bytes of stack; 8,388,608 are needed now and then"]),
    ],
)
def test_limits(tmp_path: Path, limits: dict[str, int], lines: list[str]) -> None:
    found = texts(system.check_limits(make_machine(tmp_path, limits=limits)))
    assert [text.startswith(line) for text, line in zip(found, lines, strict=True)] == [True]


@pytest.mark.parametrize(
    ("encodings", "environment", "line"),
    [
        (Encodings("utf-8", "UTF-8", "utf-8"), {"LANG": "C.UTF-8"}, "OK       UTF-8 (LANG=C.UTF-8)"),
        (
            Encodings("utf-8", "ANSI_X3.4-1968", "ascii"),
            {"LC_ALL": "POSIX"},
            "WARNING  not UTF-8: texts (ANSI_X3.4-1968), output (ascii); LC_ALL=POSIX -> export LC_ALL=C.UTF-8",
        ),
        (Encodings("latin-1", "utf8", "utf8"), {}, "WARNING  not UTF-8: names of files (latin-1); no locale is set"),
        (Encodings("utf-8", "x-no-such", "utf8"), {}, "WARNING  not UTF-8: texts (x-no-such)"),
        (
            Encodings("utf-8", "utf-8", "utf-8", "unsupported locale setting"),
            {"LANG": "xx_XX.UTF-8"},
            "WARNING  the locale LANG=xx_XX.UTF-8 is not there: unsupported locale setting -> export LC_ALL=C.UTF-8",
        ),
    ],
)
def test_encodings(tmp_path: Path, encodings: Encodings, environment: dict[str, str], line: str) -> None:
    found = only(system.check_encoding(encodings, make_machine(tmp_path, environment)))
    assert found.as_line().startswith(line)


def test_the_encodings_of_this_process_are_known() -> None:
    assert system.current_encodings().files == sys.getfilesystemencoding()


def test_clocks(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    os.utime(write(machine.project / "requirements.txt"), (1_700_000_000, 1_700_000_000))
    assert only(system.check_clock(1_700_000_100.0, machine, 1_700_000_101.0)).level == "OK"
    behind = only(system.check_clock(1_600_000_000.0, machine, 1_600_000_000.0))
    assert behind.level == "WARNING"
    assert "files of the project are from 2023-11-14" in behind.what
    skewed = only(system.check_clock(1_700_000_100.0, machine, 1_700_000_400.0))
    assert skewed.what.startswith("new files are dated 300 s after the clock, 2023-")
    assert "before the clock" in only(system.check_clock(1_700_000_400.0, machine, 1_700_000_100.0)).what


@pytest.fixture
def other_process() -> Iterator[int]:
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def test_no_runs(tmp_path: Path) -> None:
    assert texts(leftovers.probe(tmp_path / "runs")) == [
        f"OK       no locks and no half-written files in {tmp_path / 'runs'}"
    ]


def test_locks_of_runs(tmp_path: Path, other_process: int) -> None:
    host = socket.gethostname()
    owners = {
        "a": {"pid": other_process, "host": host, "process_start": ""},
        "b": {"pid": 2**22 + 5, "host": host, "process_start": "1"},
        "c": {"pid": 7, "host": "elsewhere", "process_start": "1"},
    }
    for name, owner in owners.items():
        write(tmp_path / name / ".run.lock", json.dumps(owner))
    write(tmp_path / "d" / ".run.lock", "")
    assert texts(leftovers.probe(tmp_path)) == [
        f"NOTE     {tmp_path}/a: process {other_process} of {host} is using it -> wait for it, or choose another "
        "run_dir",
        f"NOTE     {tmp_path}/b: process {2**22 + 5} of {host} ended without releasing its lock -> nothing: the next "
        "run takes it over",
        f"WARNING  {tmp_path}/c: locked by process 7 of elsewhere, which cannot be seen from here -> if it has ended, "
        f"remove {tmp_path}/c/.run.lock",
        f"NOTE     {tmp_path}/d: its lock names no process -> nothing, or remove {tmp_path}/d/.run.lock",
    ]


def test_a_lock_that_the_project_took(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.acquire()
    assert f"process {os.getpid()} of " in texts(leftovers.probe(tmp_path))[0]
    lock.release()
    assert texts(leftovers.probe(tmp_path), "NOTE", "WARNING") == []


def test_files_of_a_killed_process(tmp_path: Path) -> None:
    write(tmp_path / "run" / "checkpoints" / ".classifier-best.ckpt.x1y2.tmp", "x" * MIB)
    write(tmp_path / "1" / "2" / "3" / "4" / "5" / ".too-deep.tmp")
    (line,) = texts(leftovers.probe(tmp_path))
    assert line.startswith("NOTE     1 file that a killed process was writing, 1.0 MiB: ")


def test_kernels(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"HOME": str(tmp_path / "home")})
    found = only(processor.check_kernels(machine))
    assert found.level == "WARNING"
    assert found.what.startswith("no C++ compiler (c++, g++, clang++) is there: without compiled kernels")
    assert found.fix == "install g++ or clang"
    add_program(machine, "g++", "")
    folder = tmp_path / "home" / ".cache" / "albert-mindspore"
    line = f"OK       compiled kernels: {tmp_path / 'bin' / 'g++'}, kept in {folder}"
    assert texts(processor.check_kernels(machine)) == [line]
    assert not folder.parent.exists()


def test_kernels_that_cannot_be_kept(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"XDG_CACHE_HOME": str(write(tmp_path / "file"))})
    add_program(machine, "g++", "")
    found = only(processor.check_kernels(machine))
    assert found.as_line().startswith(f"WARNING  {tmp_path}/file/albert-mindspore: cannot be written: it is no folder")
    assert found.fix == "set XDG_CACHE_HOME to a folder of yours"


def test_kernels_with_a_compiler_that_is_chosen(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"CXX": "clang++-99"})
    add_program(machine, "g++", "")
    found = only(processor.check_kernels(machine))
    assert found.as_line().startswith("WARNING  CXX: there is no compiler 'clang++-99': without compiled kernels")


def test_kernels_that_are_switched_off(tmp_path: Path) -> None:
    found = only(processor.check_kernels(make_machine(tmp_path, {"ALBERT_KERNELS": "off"})))
    assert found.level == "NOTE"
    assert "ALBERT_KERNELS switches the compiled kernels off" in found.what
