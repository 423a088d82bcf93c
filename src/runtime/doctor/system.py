"""The system around a run: disk space, limits, encoding, clock."""

from __future__ import annotations

import codecs
import locale
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine

DISK = Topic("disk")
LIMITS = Topic("limits")
TEXT = Topic("encoding")
CLOCK = Topic("clock")
GIB, MIB = 1 << 30, 1 << 20
_SKEW_S = 60.0
# Smallest soft limits: for open files, processes and threads, and the stack in bytes.
_LEAST_LIMITS = {
    "RLIMIT_NOFILE": (1024, "ulimit -n 65536", "open files"),
    "RLIMIT_NPROC": (512, "ulimit -u 4096", "processes and threads"),
    "RLIMIT_STACK": (8 * MIB, "ulimit -s 8192", "bytes of stack"),
}


def probe(machine: Machine, run_dir: Path) -> Iterator[Finding]:
    """Yield what there is to say about the system around a run."""
    yield from check_disk(run_dir, "the run folder", good=5 * GIB, least=GIB // 2)
    yield from check_disk(machine.temporary, "temporary files", good=GIB, least=100 * MIB)
    yield from check_shared_memory(machine)
    yield from check_limits(machine)
    yield from check_encoding(current_encodings(), machine)
    yield from check_clock(time.time(), machine)


def check_disk(folder: Path, name: str, *, good: int, least: int) -> Iterator[Finding]:
    """Check that a folder, or the first above it that exists, can be written and has space.

    Args:
        folder: The folder, which need not exist.
        name: What it is for.
        good: Free bytes below which there is a warning.
        least: Free bytes below which there is an error, at most ``good``.
    """
    there = first_existing(folder)
    if not there.is_dir():
        yield DISK.error(f"{name}: {there} is no folder", "name another one")
        return
    problem = write_problem(there)
    if problem:
        yield DISK.error(f"{name}: {folder} cannot be written: {problem}", "choose another folder, or mend its rights")
        return
    state = os.statvfs(there)
    free, whole = (blocks * state.f_frsize for blocks in (state.f_bavail, state.f_blocks))
    what = f"{name}: {free / GIB:.1f} of {whole / GIB:.1f} GiB are free in {os.path.abspath(folder)}"
    if state.f_files and not state.f_favail:
        yield DISK.error(f"{name}: no more files can be made in {folder}: its inodes are used up", "remove files")
    elif free < good:
        tell = DISK.error if free < least else DISK.warning
        yield tell(f"{what}, and {good / GIB:.1f} GiB are wanted", "free some space or choose another folder")
    else:
        yield DISK.ok(what)


def check_shared_memory(machine: Machine) -> Iterator[Finding]:
    """Check the size of /dev/shm, which containers make small and processes share data through."""
    folder = machine.root / "dev" / "shm"
    if not folder.is_dir():
        yield DISK.note("there is no /dev/shm", "in a container, start it with --shm-size=1g")
        return
    problem = write_problem(folder)
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    if problem:
        yield DISK.warning(f"/dev/shm cannot be written: {problem}", "mount it with mode 1777")
    elif free < 256 * MIB:
        yield DISK.warning(f"/dev/shm: {free / MIB:.0f} MiB free", "start the container with --shm-size=1g")
    else:
        yield DISK.ok(f"/dev/shm: {free / GIB:.1f} GiB free")


def first_existing(folder: Path) -> Path:
    """Return the folder, or the first above it that exists."""
    folder = Path(os.path.abspath(folder))
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def write_problem(folder: Path) -> str:
    """Return why a folder cannot be written; empty where it can. Nothing stays behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"0" * 4096)
            stream.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def check_limits(machine: Machine) -> Iterator[Finding]:
    """Check the limits of a process."""
    fine = True
    for name, (least, fix, words) in _LEAST_LIMITS.items():
        limit = machine.limits.get(name, -1)
        if 0 <= limit < least:
            fine = False
            yield LIMITS.warning(f"at most {limit:,} {words}; {least:,} are needed now and then", fix)
    for name, fix, words in (
        ("RLIMIT_FSIZE", "ulimit -f unlimited", "a file may have"),
        ("RLIMIT_AS", "ulimit -v unlimited", "a process may map"),
    ):
        limit = machine.limits.get(name, -1)
        if limit >= 0:
            fine = False
            yield LIMITS.warning(f"{words} at most {limit / GIB:.1f} GiB", fix)
    if fine:
        files = machine.limits.get("RLIMIT_NOFILE", -1)
        yield LIMITS.ok(
            f"open files: {'no limit' if files < 0 else format(files, ',')}; no limit for the size of a file"
        )


@dataclass(frozen=True)
class Encodings:
    """The encodings of a Python process.

    Attributes:
        files: Of names of files.
        texts: Of files that are opened without naming one.
        output: Of stdout.
        locale_problem: Why the locale of the variables cannot be used; empty where it can.
    """

    files: str
    texts: str
    output: str
    locale_problem: str = ""


def current_encodings() -> Encodings:
    """Return those of this process."""
    problem = ""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error as error:
        problem = str(error)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    output = getattr(sys.stdout, "encoding", None) or "utf-8"
    return Encodings(sys.getfilesystemencoding(), locale.getpreferredencoding(False), output, problem)


def check_encoding(encodings: Encodings, machine: Machine) -> Iterator[Finding]:
    """Check that names of files and what is printed may hold any character."""
    wrong = {
        words: name
        for words, name in (
            ("names of files", encodings.files),
            ("texts", encodings.texts),
            ("output", encodings.output),
        )
        if not _is_utf8(name)
    }
    given = ", ".join(f"{name}={machine.value(name)}" for name in ("LC_ALL", "LC_CTYPE", "LANG") if machine.value(name))
    if wrong:
        names = ", ".join(f"{words} ({name})" for words, name in wrong.items())
        yield TEXT.warning(f"not UTF-8: {names}; {given or 'no locale is set'}", "export LC_ALL=C.UTF-8 PYTHONUTF8=1")
    elif encodings.locale_problem:
        yield TEXT.warning(f"the locale {given} is not there: {encodings.locale_problem}", "export LC_ALL=C.UTF-8")
    else:
        yield TEXT.ok(f"UTF-8{f' ({given})' if given else ''}")


def _is_utf8(name: str) -> bool:
    try:
        return codecs.lookup(name).name == "utf-8"
    except LookupError:
        return False


def check_clock(now: float, machine: Machine, files_now: float | None = None) -> Iterator[Finding]:
    """Check that the clock is not behind this project's files, and that the file system has the same time.

    Args:
        now: Seconds since 1970.
        machine: The machine, with the project's folder.
        files_now: The time that the file system gives to a new file; ``None`` makes one.
    """
    newest = max((path.stat().st_mtime for path in machine.project.glob("*.txt")), default=0.0)
    date = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    if now + _SKEW_S < newest:
        behind = time.strftime("%Y-%m-%d", time.localtime(newest))
        what = f"the clock says {date}, and files of the project are from {behind}"
        yield CLOCK.warning(f"{what}: dates of runs, make and downloads may be wrong", "set the clock (timedatectl)")
        return
    skew = (_time_of_new_file(machine.temporary) if files_now is None else files_now) - now
    if abs(skew) > _SKEW_S:
        what = f"new files are dated {abs(skew):.0f} s {'after' if skew > 0 else 'before'} the clock, {date}"
        yield CLOCK.warning(what, "set the clocks of this machine and of its file server (chrony, ntp)")
    else:
        yield CLOCK.ok(date)


def _time_of_new_file(folder: Path) -> float:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            return os.fstat(stream.fileno()).st_mtime
    except OSError:
        return time.time()
