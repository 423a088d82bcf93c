from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.ascend310_infer.application import Work, clean_environment

FIRST, LAST = "x_batch_4_000000", "x_batch_4_000002"


def _cut(work: Work) -> None:
    path = work.file(2, LAST)
    path.write_bytes(path.read_bytes()[:-1])


def _empty(work: Work) -> None:
    work.file(0, LAST).write_bytes(b"")


def _longer(work: Work) -> None:
    with work.file(1, LAST).open("ab") as stream:
        stream.write(b"\0" * 4)


def _missing(work: Work) -> None:
    work.file(1, FIRST).unlink()


def _extra(work: Work) -> None:
    for number in range(5):
        shutil.copy(work.file(2, FIRST), work.file(2, f"extra{number}"))


def _folder(work: Work) -> None:
    work.file(0, "folder").mkdir()


def _pipe(work: Work) -> None:
    os.mkfifo(work.file(0, "pipe"))


def _dangling(work: Work) -> None:
    work.file(0, "link").symlink_to("nothing")


def _loop(work: Work) -> None:
    work.file(0, "link").symlink_to("link.bin")


def _not_utf8(work: Work) -> None:
    (work.folder / "00_data" / os.fsdecode(b"\xff.bin")).write_bytes(b"")


def _renamed(work: Work) -> None:
    work.file(1, FIRST).rename(work.file(1, "other"))


def _no_batches(work: Work) -> None:
    for path in (work.folder / "01_data").iterdir():
        path.rename(path.with_suffix(".BIN"))


def _no_folder(work: Work) -> None:
    shutil.rmtree(work.folder / "02_data")


def _file_as_folder(work: Work) -> None:
    _no_folder(work)
    (work.folder / "02_data").write_text("")


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (_cut, "has 511 bytes, input 2 'segment_ids_BT' int32 [4, 32] takes 512 ({}/02_data/x_batch_4_000002.bin)"),
        (_empty, "has 0 bytes, input 0 'input_ids_BT' int32 [4, 32] takes 512 ({}/00_data/x_batch_4_000002.bin)"),
        (_longer, "has 516 bytes, input 1 'input_mask_BT' int32 [4, 32] takes 512 ({}/01_data/x_batch_4_000002.bin)"),
        (_missing, "1 files of {0}/00_data are missing: x_batch_4_000000.bin ({0}/01_data) -> "),
        (_extra, "5 files of {0}/02_data are missing: extra0.bin, extra1.bin, extra2.bin, ... ({0}/00_data) -> "),
        (_folder, "a folder has the name of a batch ({}/00_data/folder.bin) -> move it away"),
        (_pipe, "not a file that can be read ({}/00_data/pipe.bin) -> mend or remove it"),
        (_dangling, "not a file that can be read ({}/00_data/link.bin) -> mend or remove it"),
        (_loop, "not a file that can be read ({}/00_data/link.bin) -> mend or remove it"),
        (_not_utf8, "the name of a file is not UTF-8 ("),
        (_renamed, "1 files of {0}/00_data are missing: x_batch_4_000000.bin ({0}/01_data) -> "),
        (_no_batches, "the folder holds no .bin file ({}/01_data) -> "),
        (_no_folder, "the folder cannot be read: No such file or directory ({}/02_data) -> "),
        (_file_as_folder, "the folder cannot be read: Not a directory ({}/02_data) -> "),
    ],
)
def test_damaged_inputs(classifier: Work, damage: Callable[[Work], None], error: str) -> None:
    damage(classifier)
    assert error.format(classifier.folder) in classifier.refused()


def test_other_files_are_left_out(classifier: Work) -> None:
    folder = classifier.folder / "00_data"
    (folder / "notes.txt").write_text("")
    (folder / ".bin").write_text("")
    (folder / "deeper").mkdir()
    ended = classifier.run()
    assert ended.status == 0, ended.err
    assert f"note: 3 entries of {folder} do not end in .bin and are left out\n" in ended.out


def test_links_to_files_are_followed(classifier: Work) -> None:
    path = classifier.file(0, FIRST)
    path.rename(classifier.folder / "elsewhere")
    path.symlink_to(classifier.folder / "elsewhere")
    assert classifier.run().status == 0


def test_the_labels_beside_the_inputs_are_not_used(classifier: Work) -> None:
    ended = classifier.run(input3_path=classifier.folder / "not there")
    assert ended.status == 0, ended.err
    assert "note: the model has 3 inputs; --input3_path is not used\n" in ended.out


def test_values_out_of_range(classifier: Work) -> None:
    ids = classifier.inputs(FIRST)[0]
    for value in (204, 2**31 - 1, -1, -(2**31)):
        ids[1, 2] = value
        classifier.put(0, FIRST, ids)
        error = classifier.refused(input_limits="204,2,2")
        assert f"the value {value} at place 34 is not from 0 to 203 (" in error
    # Without limits MindSpore Lite answers something on the CPU: zeros stand for unknown words.
    ended = classifier.run()
    assert (ended.status, ended.err) == (0, "")
    assert np.isfinite(np.fromfile(classifier.results / f"{FIRST}_0.bin", "<f4")).all()


def test_limits_that_are_kept(classifier: Work) -> None:
    assert classifier.run(input_limits="204,2,0").status == 0


def test_a_second_run_replaces_the_results(classifier: Work) -> None:
    assert classifier.run().status == 0
    before = (classifier.results / f"{FIRST}_0.bin").read_bytes()
    classifier.write(FIRST, seed=5)
    assert classifier.run().status == 0
    assert (classifier.results / f"{FIRST}_0.bin").read_bytes() != before


def test_a_failed_run_takes_its_new_folders_away(classifier: Work) -> None:
    _cut(classifier)
    (classifier.folder / "old").mkdir()
    folders = {"output_dir": classifier.folder / "new/deep/xo", "time_dir": classifier.folder / "new/xt/"}
    classifier.refused(**folders)
    assert not (classifier.folder / "new").exists()
    classifier.refused(output_dir=classifier.folder / "old", time_dir=classifier.folder / "old/xt")
    assert (classifier.folder / "old").is_dir()
    assert not (classifier.folder / "old" / "xt").exists()


def test_a_failed_run_leaves_the_results_of_the_last_one(classifier: Work) -> None:
    assert classifier.run().status == 0
    before = {path.name: path.read_bytes() for path in classifier.results.iterdir()}
    classifier.write(FIRST, seed=5)
    _cut(classifier)
    assert classifier.run().status == 2
    assert {path.name: path.read_bytes() for path in classifier.results.iterdir()} == before


def _read_only(work: Work) -> dict[str, Path]:
    return {"output_dir": Path("/proc/results")}


def _a_file(work: Work) -> dict[str, Path]:
    (work.folder / "file").write_text("")
    return {"output_dir": work.folder / "file"}


def _below_a_file(work: Work) -> dict[str, Path]:
    (work.folder / "file").write_text("")
    return {"time_dir": work.folder / "file" / "deeper"}


def _an_input(work: Work) -> dict[str, Path]:
    return {"output_dir": work.folder / "00_data" / ".." / "01_data"}


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (_read_only, "the folder cannot be made: No such file or directory (/proc/results) -> choose another --output"),
        (_a_file, "the folder cannot be made: "),
        (_below_a_file, "the folder cannot be made: Not a directory ({}/file/deeper) -> choose another --time_dir"),
        (_an_input, "the results would be written among the inputs ("),
    ],
)
def test_places_that_cannot_be_written(classifier: Work, place: Callable[[Work], dict[str, Path]], error: str) -> None:
    assert error.format(classifier.folder) in classifier.refused(**place(classifier))


def test_a_result_that_cannot_be_replaced(classifier: Work) -> None:
    (classifier.results / f"{FIRST}_0.bin" / "x").mkdir(parents=True)
    ended = classifier.run()
    assert ended.status == 2
    assert "cannot write: " in ended.error
    assert not (classifier.results / "results.json").exists()
    assert not list(classifier.results.glob(".unfinished*"))


def _child_of(process: int) -> int | None:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            return int(status.parent.name)
    return None


@pytest.mark.parametrize(
    ("sent", "to_child", "status", "error"),
    [
        (signal.SIGTERM, False, 143, "error: interrupted"),
        (signal.SIGINT, False, 130, "error: interrupted"),
        (signal.SIGKILL, True, 3, "error: the inference was ended by signal 9 (Killed) -> check the memory"),
    ],
)
def test_an_interrupted_run(classifier: Work, sent: signal.Signals, to_child: bool, status: int, error: str) -> None:
    classifier.write(*(f"more{number}" for number in range(1500)))
    process = subprocess.Popen(
        classifier.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
    )
    # From then on results are being written.
    until = time.monotonic() + 60
    while not list(classifier.results.glob(".unfinished*/*_0.bin")) and time.monotonic() < until:
        time.sleep(0.01)
    target = _child_of(process.pid) if to_child else process.pid
    assert target is not None
    os.kill(target, sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert err.startswith(error)
    # The application made the folder.
    assert not classifier.results.exists()


def test_a_reader_that_goes_away_does_not_lose_results(classifier: Work) -> None:
    process = subprocess.Popen(
        classifier.command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    assert len(json.loads((classifier.results / "results.json").read_text())["files"]) == 3
