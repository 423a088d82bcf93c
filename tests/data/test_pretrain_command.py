from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.cli import run_command
from src.data.pretraining.command import main
from src.data.pretraining.manifest import read_pretrain_manifest, read_verified
from src.data.pretraining.reader import read_chunks
from src.data.pretraining.unfinished import UnfinishedRun
from src.data.tfrecord import TFRecordWriter, read_tfrecord

PROJECT = Path(__file__).resolve().parents[2]
LENGTH, SLOTS = 32, 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 60 documents, a sentence a line."""
    chance = random.Random(0)
    words = ["fox", "dog", "lazy", "quick", "jumps", "over", "nobody", "minded", "young", "cost", "red", "was", "in"]

    def document() -> str:
        return "\n".join(" ".join(chance.choices(words, k=chance.randint(3, 12))) + "." for _ in range(20))

    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join(document() for _ in range(60)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def arguments(corpus: Path, tiny_model: Path) -> dict[str, Any]:
    """Options for about 9 shards in one process."""
    return {
        "input": corpus,
        "spm_model_file": tiny_model,
        "max_seq_length": LENGTH,
        "dupe_factor": 2,
        "block_mb": 0.006,
        "num_workers": 1,
    }


def _command_line(options: dict[str, Any], **more: Any) -> list[str]:
    return [text for name, value in {**options, **more}.items() for text in (f"--{name}", str(value))]


def _run(options: dict[str, Any], **more: Any) -> int:
    return run_command(main, _command_line(options, **more))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def whole(arguments: dict[str, Any], tmp_path: Path) -> dict[str, bytes]:
    """The files of an undisturbed run."""
    assert _run(arguments, output_dir=tmp_path / "whole") == 0
    contents = _contents(tmp_path / "whole")
    assert len(contents) > 7
    return contents


def test_the_result_does_not_depend_on_the_workers(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    for workers in (2, 4):
        assert _run(arguments, output_dir=tmp_path / str(workers), num_workers=workers) == 0
        assert _contents(tmp_path / str(workers)) == whole


def test_the_seed_decides(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    assert _run(arguments, output_dir=tmp_path / "other", random_seed=1) == 0
    other = _contents(tmp_path / "other")
    shards = [name for name in whole if name.endswith("tfrecord")]
    assert all(other[name] != whole[name] for name in shards)


def test_machines_together_make_the_same_files(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "parts"
    for index in (2, 0):
        assert _run(arguments, output_dir=folder, shard_index=index, num_shards=3) == 0
    with pytest.raises(Exception, match="parts 1 of 3 of 'pretrain' are missing"):
        read_verified(folder)
    assert _run(arguments, output_dir=folder, shard_index=1, num_shards=3) == 0
    contents = _contents(folder)
    assert {name: contents[name] for name in whole if "manifest" not in name} == {
        name: content for name, content in whole.items() if "manifest" not in name
    }
    assert sum(part.rows for part in read_verified(folder)) == json.loads(whole["schema.json"])["numRows"]


def test_records_and_manifest_agree(whole: dict[str, bytes], tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "whole"
    (manifest,) = read_verified(folder)
    rows = 0
    for file in manifest.record_files:
        columns = {
            name: np.concatenate([chunk[name] for chunk in read_chunks(folder / file.name)])
            for name in manifest.columns
        }
        assert {name: (str(values.dtype), list(values.shape[1:])) for name, values in columns.items()} == {
            name: (column.dtype, column.shape) for name, column in manifest.columns.items()
        }
        assert len(columns["input_ids"]) == file.rows
        mask, weights = columns["input_mask"], columns["masked_lm_weights"]
        assert (np.diff(mask, axis=1) <= 0).all()
        assert (columns["input_ids"][mask == 0] == 0).all()
        assert (columns["masked_lm_positions"] < mask.sum(axis=1, keepdims=True)).all()
        assert ((weights == 0) | (columns["masked_lm_ids"] > 4) | (columns["masked_lm_ids"] == 1)).all()
        rows += file.rows
    assert manifest.rows == rows == manifest.statistics["instances"]
    assert manifest.statistics["documents"] == 60


def test_a_damaged_file_is_found(whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "whole" / "pretrain-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"pretrain-00001.tfrecord: the file is damaged or changed"):
        read_verified(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_run_goes_on(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    unfinished = folder / "pretrain.unfinished"
    kept: dict[str, int] = {}
    for _ in range(3):
        more = {"output_dir": folder, "resume": "true", "num_workers": 2, "dupe_factor": 2}
        command = [sys.executable, str(PROJECT / "create_pretraining_data.py"), *_command_line(arguments, **more)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path)
        deadline = time.monotonic() + 60
        while len(list(unfinished.glob("*record.json"))) <= len(kept) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if not unfinished.exists():
            break
        assert {path.name for path in folder.iterdir()} == {unfinished.name}
        now = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("*.tfrecord")}
        assert {name: now[name] for name in kept} == kept  # not made again
        kept = {name: now[name] for name in now if (unfinished / f"{name}.json").exists()}
        # Workers end by themselves when their parent is gone.
        time.sleep(0.5)
    assert kept
    assert _run(arguments, output_dir=folder, resume="true") == 0
    assert _contents(folder) == whole


def test_resume_begins_goes_on_and_is_content_with_what_is_complete(
    arguments: dict[str, Any],
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, written = tmp_path / "new", TFRecordWriter.write
    calls = []

    def full(self: TFRecordWriter, data: bytes) -> None:
        calls.append(1)
        if len(calls) > 700:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(self, data)

    monkeypatch.setattr(TFRecordWriter, "write", full)
    assert _run(arguments, output_dir=folder, resume="true") == 2
    told = capsys.readouterr().err
    assert "no space left on the device" in told
    assert "finished shards are kept" in told
    monkeypatch.undo()
    assert [path.name for path in folder.iterdir()] == ["pretrain.unfinished"]
    assert not list((folder / "pretrain.unfinished").glob("*.tmp"))
    assert _run(arguments, output_dir=folder) == 2
    assert "a run was stopped here" in capsys.readouterr().err
    assert _run(arguments, output_dir=folder, resume="true", random_seed=3) == 2
    assert "the stopped run had another settings, random_seed: 12345 then, 3 now" in capsys.readouterr().err
    assert _run(arguments, output_dir=folder, resume="true") == 0
    assert "shards were finished already" in capsys.readouterr().err
    assert _contents(folder) == whole
    assert _run(arguments, output_dir=folder, resume="true") == 0
    assert "complete already" in capsys.readouterr().out
    assert _run(arguments, output_dir=folder, resume="true", random_seed=3) == 2
    assert "finished output is there, with other settings" in capsys.readouterr().err
    assert _contents(folder) == whole


def test_a_run_stopped_while_it_published_goes_on(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"

    def die(*arguments: Any) -> None:
        source, place, names, _ = arguments
        for name in names[:3]:
            os.rename(source / name, place / name)
        raise KeyboardInterrupt

    monkeypatch.setattr("src.data.pretraining.publication.publish", die)
    assert _run(arguments, output_dir=folder) == 130
    monkeypatch.undo()
    assert _run(arguments, output_dir=folder, resume="true") == 0
    assert _contents(folder) == whole


def test_changed_text_is_noticed(
    arguments: dict[str, Any], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    content = corpus.read_bytes()
    text.write_bytes(content + b"\n\xff\n")
    arguments["input_format"] = "sentences"
    assert _run(arguments, input=text, output_dir=tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "not UTF-8 text: byte 0xff" in told
    assert "finished shards are kept" in told
    text.write_bytes(content.replace(b"fox", b"dog", 1) + b"\n!\n")
    assert _run(arguments, input=text, output_dir=tmp_path / "out", resume="true") == 2
    assert "shard 0 was made from another text" in capsys.readouterr().err


def test_existing_output_is_kept_or_replaced_as_asked(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "whole"
    assert _run(arguments, output_dir=folder, block_mb=0.02) == 2
    assert "the output exists already" in capsys.readouterr().err
    assert _run(arguments, output_dir=folder, name="more", max_seq_length=64) == 2
    assert "the records of this folder have other lengths" in capsys.readouterr().err
    assert _contents(folder) == whole
    assert _run(arguments, output_dir=folder, block_mb=0.02, overwrite="true") == 0
    (manifest,) = read_verified(folder)
    assert {path.name for path in folder.iterdir()} == {
        "schema.json",
        "pretrain.manifest.json",
        *(file.name for file in manifest.files),
    }
    assert len(manifest.files) < len(whole) - 2
    rows = manifest.rows
    assert _run(arguments, output_dir=folder, name="more") == 0
    assert json.loads((folder / "schema.json").read_text())["numRows"] == rows + read_verified(folder)[0].rows


def test_a_foreign_schema_json_is_not_replaced(
    arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schema.json").write_text("mine")
    assert _run(arguments, output_dir=tmp_path) == 2
    assert "schema.json: the file exists already" in capsys.readouterr().err
    assert (tmp_path / "schema.json").read_text() == "mine"


def test_output_file_deals_the_records_out(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    names = [str(tmp_path / "files" / name) for name in ("a.tfrecord", "b.tfrecord")]
    assert _run(arguments, output_file=",".join(names)) == 0
    dealt = [list(read_tfrecord(Path(name))) for name in names]
    manifest = read_pretrain_manifest(tmp_path / "files" / "pretrain.manifest.json")
    assert [file.rows for file in manifest.files] == [len(records) for records in dealt]
    shards = sorted(name for name in whole if name.endswith(".tfrecord"))
    records = [record for name in shards for record in read_tfrecord(tmp_path / "whole" / name)]
    assert dealt == [records[0::2], records[1::2]]


def test_mindrecord_holds_the_same_records(
    arguments: dict[str, Any], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("tfrecord", "mindrecord"):
        options = {**arguments, "output_dir": tmp_path / form, "file_format": form, "block_mb": 1}
        assert _run(options, write_token_boundary="true") == 0
    (manifest,) = read_verified(tmp_path / "mindrecord")
    assert [file.name for file in manifest.files] == ["pretrain-00000.mindrecord", "pretrain-00000.mindrecord.db"]
    one, two = (list(read_chunks(tmp_path / form / f"pretrain-00000.{form}")) for form in ("tfrecord", "mindrecord"))
    for name in one[0]:
        first, second = (np.concatenate([chunk[name] for chunk in chunks]) for chunks in (one, two))
        assert np.array_equal(first, second.reshape(first.shape)), name
    boundary = np.concatenate([chunk["token_boundary"] for chunk in two])
    mask = np.concatenate([chunk["input_mask"] for chunk in two])
    assert 0 < boundary.sum() < mask.sum()
    assert (boundary <= mask).all()
    capsys.readouterr()
    assert _run({"input": tmp_path / "mindrecord", "spm_model_file": arguments["spm_model_file"], "inspect": 1}) == 0
    assert "record 0: " in capsys.readouterr().out


def test_inspect_shows_what_was_masked(
    whole: dict[str, bytes], tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    show = {"input": tmp_path / "whole", "spm_model_file": tiny_model, "inspect": 40}
    assert _run(show) == 0
    told = capsys.readouterr().out
    assert told.count("\nrecord ") == 40
    for text in ("[MASK]=", "segment 1: ", "sentence order: 0 (original", "sentence order: 1 (swapped", " {"):
        assert text in told
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    assert _run({"input": tmp_path / "whole", "vocab_file": tmp_path / "vocab.txt", "inspect": 1}) == 2
    assert "was made with tiny.model" in capsys.readouterr().err


def test_statistics_and_a_warning_about_too_few_predictions(
    arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(arguments, output_dir=tmp_path / "out", max_predictions_per_seq=2, block_mb=1) == 0
    told = capsys.readouterr()
    assert "read as sentences" in told.err
    assert "--max_predictions_per_seq 2 masks at most 6.2 % of 32 tokens; --masked_lm_prob 0.15 needs 5" in told.err
    assert "60 documents, 1,200 sentences" in told.out
    assert "in order (label 0)" in told.out


def test_chinese_records_mask_whole_words(shared_data: Path, tmp_path: Path) -> None:
    text = tmp_path / "segmented.txt"
    text.write_text(
        "南京 老城 何处 去 。\n城市化 时代 呼唤 文化 。\n\n北京 大学 政治学 博士 。\n抢救 中华 文明 。\n" * 20
    )
    options = {"input": text, "vocab_file": shared_data / "albert_zh" / "vocab.txt", "segmenter": "spaces"}
    assert _run(options, output_dir=tmp_path / "out", max_seq_length=32, num_workers=1) == 0
    (manifest,) = read_verified(tmp_path / "out")
    spans = manifest.statistics["masked_spans"]
    # More tokens than words: words of several characters were masked as one.
    words = sum(int(length) * count for length, count in spans.items())
    assert manifest.statistics["masked"] > 1.2 * words


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input": "missing.txt"}, "missing.txt: no file matches"),
        ({"spm_model_file": "missing.model"}, "missing.model: cannot read the file"),
        ({"spm_model_file": "damaged.model"}, "damaged.model: not a SentencePiece model"),
        ({"max_seq_length": "4"}, "'4' is not a whole number from 5 to 16384"),
        ({"masked_lm_prob": "0"}, "--masked_lm_prob: the value is out of range"),
        ({"short_seq_prob": "x"}, "'x' is not a share from 0 to 1"),
        ({"segmenter": "spaces"}, "spaces is for WordPiece"),
        ({"shard_index": 2, "num_shards": 2}, "2 is not below --num_shards 2"),
        ({"resume": "true", "overwrite": "true"}, "--overwrite begins anew, --resume goes on"),
        ({"name": "a/b"}, "'a/b' cannot begin the names of files"),
        ({"output_file": "x.tfrecord"}, "it cannot be used together with --output_dir"),
        ({"dupe_facto": 1}, "did you mean --dupe_factor?"),
        ({"shard_index": 90, "num_shards": 99}, "the text gives no records for machine 90"),
        ({"input_format": "wikiextractor_json"}, "text.txt:1: not a line of JSON"),
    ],
)
def test_wrong_calls_end_with_one_line_and_leave_nothing(
    arguments: dict[str, Any],
    changed: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.model").write_bytes(b"damaged")
    assert _run({**arguments, "output_dir": tmp_path / "out", "block_mb": 1, **changed}) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_in_a_worker_is_told(
    arguments: dict[str, Any], tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = "import resource,sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); sys.argv=sys.argv[1:]; "
    limited += f"sys.path.insert(0, {str(PROJECT)!r}); import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    options = _command_line(arguments, output_dir=tmp_path / "out", num_workers=workers, block_mb=1)
    command = [sys.executable, "-c", limited, str(PROJECT / "create_pretraining_data.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot write: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_sigterm_leaves_things_tidy(arguments: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    more = {"output_dir": folder, "num_workers": 2, "dupe_factor": 40}
    command = [sys.executable, str(PROJECT / "create_pretraining_data.py"), *_command_line(arguments, **more)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.unfinished/*record.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "finished shards are kept" in told
    left = {path.name for path in (folder / "pretrain.unfinished").iterdir()}
    assert not [name for name in left if name.endswith((".tmp", ".lock"))]


def test_two_runs_do_not_meet(arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with UnfinishedRun(tmp_path / "out", "pretrain", 0, 1).locked():
        assert _run(arguments, output_dir=tmp_path / "out") == 2
    assert "is using this directory" in capsys.readouterr().err


def test_a_killed_worker_is_told(arguments: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT / "create_pretraining_data.py")]
    command += _command_line(arguments, output_dir=tmp_path / "out", num_workers=2, dupe_factor=2000)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path)
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 2:
        assert time.monotonic() < deadline
        children = _workers_of(process.pid)
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(children[0], signal.SIGKILL)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "a worker process ended by signal 9" in told
    assert not [pid for pid in children if Path(f"/proc/{pid}/status").exists()]


def _workers_of(pid: int) -> list[int]:
    """Return the spawned children of a process, without multiprocessing's resource tracker."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    found = [int(text) for text in children.read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
