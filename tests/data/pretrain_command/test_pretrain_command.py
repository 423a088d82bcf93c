"""What create_pretraining_data.py makes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.pretraining.manifest import read_pretrain_manifest, read_verified
from src.data.pretraining.reader import read_chunks
from src.data.tfrecord import read_tfrecord
from tests.data.pretrain_command.support import contents_of, run


def test_the_result_does_not_depend_on_the_workers(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    for workers in (2, 4):
        assert run(arguments, output_dir=tmp_path / str(workers), num_workers=workers) == 0
        assert contents_of(tmp_path / str(workers)) == whole


def test_the_seed_decides(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    assert run(arguments, output_dir=tmp_path / "other", random_seed=1) == 0
    other = contents_of(tmp_path / "other")
    shards = [name for name in whole if name.endswith("tfrecord")]
    assert all(other[name] != whole[name] for name in shards)


def test_machines_together_make_the_same_files(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "parts"
    for index in (2, 0):
        assert run(arguments, output_dir=folder, shard_index=index, num_shards=3) == 0
    with pytest.raises(Exception, match="parts 1 of 3 of 'pretrain' are missing"):
        read_verified(folder)
    assert run(arguments, output_dir=folder, shard_index=1, num_shards=3) == 0
    contents = contents_of(folder)
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


def test_existing_output_is_kept_or_replaced_as_asked(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "whole"
    assert run(arguments, output_dir=folder, block_mb=0.02) == 2
    assert "the output exists already" in capsys.readouterr().err
    assert run(arguments, output_dir=folder, name="more", max_seq_length=64) == 2
    assert "the records of this folder have other lengths" in capsys.readouterr().err
    assert contents_of(folder) == whole
    assert run(arguments, output_dir=folder, block_mb=0.02, overwrite="true") == 0
    (manifest,) = read_verified(folder)
    assert {path.name for path in folder.iterdir()} == {
        "schema.json",
        "pretrain.manifest.json",
        *(file.name for file in manifest.files),
    }
    assert len(manifest.files) < len(whole) - 2
    rows = manifest.rows
    assert run(arguments, output_dir=folder, name="more") == 0
    assert json.loads((folder / "schema.json").read_text())["numRows"] == rows + read_verified(folder)[0].rows


def test_a_foreign_schema_json_is_not_replaced(
    arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schema.json").write_text("mine")
    assert run(arguments, output_dir=tmp_path) == 2
    assert "schema.json: the file exists already" in capsys.readouterr().err
    assert (tmp_path / "schema.json").read_text() == "mine"


def test_output_file_deals_the_records_out(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    names = [str(tmp_path / "files" / name) for name in ("a.tfrecord", "b.tfrecord")]
    assert run(arguments, output_file=",".join(names)) == 0
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
        assert run(options, write_token_boundary="true") == 0
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
    assert run({"input": tmp_path / "mindrecord", "spm_model_file": arguments["spm_model_file"], "inspect": 1}) == 0
    assert "record 0: " in capsys.readouterr().out


def test_inspect_shows_what_was_masked(
    whole: dict[str, bytes], tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    show = {"input": tmp_path / "whole", "spm_model_file": tiny_model, "inspect": 40}
    assert run(show) == 0
    told = capsys.readouterr().out
    assert told.count("\nrecord ") == 40
    for text in ("[MASK]=", "segment 1: ", "sentence order: 0 (original", "sentence order: 1 (swapped", " {"):
        assert text in told
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    assert run({"input": tmp_path / "whole", "vocab_file": tmp_path / "vocab.txt", "inspect": 1}) == 2
    assert "was made with tiny.model" in capsys.readouterr().err


def test_statistics_and_a_warning_about_too_few_predictions(
    arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, output_dir=tmp_path / "out", max_predictions_per_seq=2, block_mb=1) == 0
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
    assert run(options, output_dir=tmp_path / "out", max_seq_length=32, num_workers=1) == 0
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
        ({"dupe_factor": 99_999_999_999}, "'99999999999' is not a whole number from 1 to 2147483647"),
        ({"random_seed": 10**26}, " is not a whole number from 0 to 2147483647"),
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
    assert run({**arguments, "output_dir": tmp_path / "out", "block_mb": 1, **changed}) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out").exists()
