"""Records that are damaged, of another shape or gone, and a port that is taken: at the start and while training."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.faults.curves import checkpoint_problems, curve_problems, saved_step, snapshot, weights_problems
from benchmarks.faults.jobs import send
from benchmarks.faults.moments import Waiter
from benchmarks.faults.report import Row
from benchmarks.faults.workplace import LIMIT_S, STEPS, TWO, Workplace, left_over
from src.common.cli import EXIT_USER_ERROR
from src.common.run_lock import LOCK_NAME
from src.data.example_proto import Wanted, decode_columns, encode_example, parse_example
from src.data.tfrecord import TFRecordWriter, read_tfrecord

_SHARD = "pretrain-00003.tfrecord"
_SPOIL_AT = 10


@dataclass(frozen=True)
class Fault:
    """Something that is done to a copy of the records.

    Attributes:
        what: In words.
        spoil: Does it to the folder.
        said: What the message must say.
    """

    what: str
    spoil: Callable[[Path], None]
    said: Sequence[str]


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, in place."""
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 0x55]))


def _flip_one(folder: Path) -> None:
    flip(folder / _SHARD)


def _flip_all(folder: Path) -> None:
    for path in folder.glob("*.tfrecord"):
        flip(path)


def _forget_manifest(folder: Path) -> None:
    """Leave the shards as another program would: a manifest would tell that one is not its own."""
    for path in [*folder.glob("*.manifest.json"), folder / "schema.json"]:
        path.unlink()


def _other_width(folder: Path) -> None:
    _forget_manifest(folder)
    narrow = sorted((folder.parent / "narrow").glob("*.tfrecord"))[0]
    shutil.copyfile(narrow, folder / _SHARD)


def _other_type(folder: Path) -> None:
    _forget_manifest(folder)
    shard = folder / _SHARD
    changed = folder / "changed"
    with TFRecordWriter(changed) as writer:
        for data in read_tfrecord(shard):
            row = parse_example(data, str(shard))
            columns = {
                name: decode_columns([row], Wanted(name, (feature.kind,)), str)[0] for name, feature in row.items()
            }
            columns["input_ids"] = columns["input_ids"].astype(np.float32)
            writer.write(encode_example(columns))
    changed.replace(shard)


def _take_away(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}_taken_away"))


_AT_START = (
    Fault("a byte of a shard flipped", _flip_one, (_SHARD, "sha256 differs")),
    Fault("a shard of another width", _other_width, (_SHARD, "input_ids")),
    Fault("a shard with input_ids as float32", _other_type, (_SHARD, "input_ids")),
    Fault("the folder of the records gone", _take_away, ("no such folder",)),
)
_IN_TRAINING = (
    Fault("a byte of every shard flipped", _flip_all, (".tfrecord", "damaged")),
    Fault("the folder of the records taken away", _take_away, (".tfrecord", "no such file")),
)


def start_case(place: Workplace, name: str, ranks: int) -> list[Row]:
    """Try to go on with a training that was stopped by SIGTERM: it must be refused, and nothing changed.

    In the end everything is mended and the training resumed.
    """
    run = place.folder / name
    rows = [_stop_half_way(place, name, run, ranks)]
    before = _content(run)
    # Two processes read as one does: with them only what the launcher makes of an error is in question.
    for number, fault in enumerate(_AT_START if ranks == 1 else _AT_START[:1]):
        records = place.copy_of_records(f"{name}_records_{number}")
        fault.spoil(records)
        rows.append(_refused(place, name, fault.what, run, before, fault.said, ranks, records))
        shutil.rmtree(records, ignore_errors=True)
    if ranks > 1:
        rows.append(_taken_port(place, name, run, before))
    place.progress.say(f"{name}: mended, resume")
    problems = place.finish(run, ranks) + _equal(place, run, ranks)
    rows.append(Row(name, "mended and resumed", "0", "", tuple(problems), "equal to the bit"))
    return rows


def training_case(place: Workplace, name: str, ranks: int) -> list[Row]:
    """Spoil the records of a training that runs, mend them, and resume it."""
    rows = []
    for number, fault in enumerate(_IN_TRAINING if ranks == 1 else _IN_TRAINING[:1]):
        run, records = place.folder / f"{name}_{number}", place.copy_of_records(f"{name}_records_{number}")
        place.progress.say(f"{name}: {fault.what}")
        waiter = Waiter(run)
        job = place.start(run, ranks, records=records)
        problems = [] if waiter.wait_for_step(job, _SPOIL_AT) else ["it ended before the records were spoilt"]
        fault.spoil(records)
        status = job.wait(LIMIT_S)
        problems += left_over(job) + checkpoint_problems(run) + _told(status, job.error, fault.said)
        shutil.rmtree(records, ignore_errors=True)
        shutil.copytree(place.records, records)
        place.progress.say(f"{name}: mended, resume from step {saved_step(run)}")
        problems += place.finish(run, ranks, records=records) + _equal(place, run, ranks)
        found = "mended and resumed: equal to the bit"
        rows.append(Row(name, f"{fault.what} at step {_SPOIL_AT}", str(status), job.error, tuple(problems), found))
    return rows


def _stop_half_way(place: Workplace, name: str, run: Path, ranks: int) -> Row:
    """Make a training and stop it as a user does."""
    place.reference(ranks)
    place.progress.say(f"{name}: SIGTERM half-way")
    waiter = Waiter(run)
    job = place.start(run, ranks)
    waiter.wait_for_step(job, STEPS // 2)
    send(job.process.pid, signal.SIGTERM)
    status = job.wait(LIMIT_S)
    problems = left_over(job) + checkpoint_problems(run)
    if status != 128 + signal.SIGTERM:
        problems.append(f"the exit status is {status}")
    line = next((text for text in job.text.splitlines() if "SIGTERM received" in text), "")
    if "the state is saved" not in line:
        problems.append("no line says that the state is saved")
    return Row(name, "SIGTERM half-way", str(status), line, tuple(problems), f"saved at step {saved_step(run)}")


def _refused(
    place: Workplace,
    name: str,
    what: str,
    run: Path,
    before: dict[str, str],
    said: Sequence[str],
    ranks: int,
    records: Path | None = None,
    launch_options: Sequence[str] = (),
) -> Row:
    """Try to resume; it must fail with a message and change nothing."""
    place.progress.say(f"{name}: {what}")
    job = place.start(run, ranks, records=records, launch_options=launch_options)
    status = job.wait(LIMIT_S)
    problems = left_over(job) + _told(status, job.error, said)
    if _content(run) != before:
        problems.append("the run directory has changed")
    return Row(name, what, str(status), job.error, tuple(problems), "the run directory is as before")


def _taken_port(place: Workplace, name: str, run: Path, before: dict[str, str]) -> Row:
    """Listen where the scheduler wants to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        said = (f"port {port}", "choose another port")
        options = ("--master_port", port)
        return _refused(place, name, "the scheduler's port taken", run, before, said, TWO, launch_options=options)


def _told(status: int, error: str, said: Sequence[str]) -> list[str]:
    """Return what is wrong with exit status and message."""
    problems = [] if status == EXIT_USER_ERROR else [f"the exit status is {status}"]
    missing = [word for word in said if word not in error]
    return [*problems, f"the message does not say {', '.join(missing)}"] if missing else problems


def _equal(place: Workplace, run: Path, ranks: int) -> list[str]:
    reference = place.reference(ranks).run
    return curve_problems(run, reference, 0.0) + weights_problems(run, reference)


def _content(run: Path) -> dict[str, str]:
    """Return the checksums of a run's files; its lock comes and goes."""
    return {name: digest for name, digest in snapshot(run).items() if not name.endswith(LOCK_NAME)}
