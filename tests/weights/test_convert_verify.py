from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError, ConfigError
from src.weights import verify
from src.weights.read_input import read_input
from src.weights.resize import resize_vocabulary
from src.weights.verify import Comparison, check_read_back, reason_not_to_compare
from tests.weights.convert_samples import CONFIG, convert, google, hugging, refused, tree
from tests.weights.names_samples import weights_of

ARRAYS = weights_of(CONFIG, "cls1")


@pytest.mark.parametrize("change", ["bit", "missing", "more", "shape", "zero"])
def test_any_change_of_the_written_file_is_found(change: str) -> None:
    read = dict(ARRAYS)
    if change == "bit":
        read["dense.bias"] = np.nextafter(read["dense.bias"], np.float32(9))
    elif change == "missing":
        del read["dense.bias"]
    elif change == "more":
        read["cls2.dense.bias"] = np.zeros(2, np.float32)
    elif change == "shape":
        read["dense.bias"] = read["dense.bias"][None]
    written = ARRAYS
    if change == "zero":
        written = {**ARRAYS, "dense.bias": np.zeros(6, np.float32)}
        read["dense.bias"] = -written["dense.bias"]
    with pytest.raises(CheckpointError):
        check_read_back(written, read, "file")
    assert check_read_back(ARRAYS, dict(ARRAYS), "file") == len(ARRAYS)


@pytest.mark.parametrize("difference", [1.1e-4, float("nan"), float("inf")])
def test_a_large_difference_is_an_error(difference: float) -> None:
    with pytest.raises(CheckpointError, match="classes by"):
        Comparison("HF", {"pooled": 1e-6, "classes": difference}).require_equal("file")
    Comparison("HF", {"pooled": 0.9e-4}).require_equal("file")


def test_a_comparison_that_cannot_be_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "not asked for" in reason_not_to_compare(tmp_path, "false")
    assert "neither side" in reason_not_to_compare(None, "auto")
    with pytest.raises(ConfigError, match="neither side"):
        reason_not_to_compare(None, "true")
    monkeypatch.setattr(verify, "missing_programs", lambda: ("torch",))
    assert reason_not_to_compare(tmp_path, "auto") == "torch not installed"
    with pytest.raises(ConfigError, match="torch not installed"):
        reason_not_to_compare(tmp_path, "true")


def test_the_command_says_what_it_checked_without_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "missing_programs", lambda: ("transformers", "torch"))
    text = convert(hugging(tmp_path / "hf"), tmp_path / "w.ckpt")
    assert "outputs not compared: transformers and torch not installed" in text
    assert "read back" in text
    assert "--verify true" in refused(tmp_path / "hf", tmp_path / "v.ckpt", "--verify", "true")
    assert not (tmp_path / "v.ckpt").exists()


def test_a_writer_that_spoils_a_value_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.weights import write_output

    def spoil(name: str) -> str:
        return name.replace("query_layer", "other").replace("key_layer", "query_layer").replace("other", "key_layer")

    monkeypatch.setattr(write_output, "saved_name", lambda name: "albert.albert." + spoil(name))
    source = google(tmp_path / "in")
    before = tree(tmp_path)
    assert "is read back differently" in refused(source, tmp_path / "w.ckpt")
    assert tree(tmp_path) == before


def test_new_tokens_come_from_the_seed_and_old_ones_stay() -> None:
    first, notices = resize_vocabulary(ARRAYS, 25, 3)
    again, _ = resize_vocabulary(ARRAYS, 25, 3)
    other, _ = resize_vocabulary(ARRAYS, 25, 4)
    table = first["albert_embedding_lookup.embedding_table"]
    assert table.shape == (25, 4)
    assert np.array_equal(table[:20], ARRAYS["albert_embedding_lookup.embedding_table"])
    assert np.array_equal(table, again["albert_embedding_lookup.embedding_table"])
    assert not np.array_equal(table[20:], other["albert_embedding_lookup.embedding_table"][20:])
    assert 0 < np.abs(table[20:]).max() <= 0.04
    assert np.array_equal(first["cls1.output_bias"][20:], np.zeros(5))
    assert "5 new rows are random (seed 3)" in notices[0]
    smaller, notices = resize_vocabulary(ARRAYS, 12, 0)
    assert smaller["cls1.output_bias"].shape == (12,)
    assert "8 rows were dropped" in notices[0]
    assert resize_vocabulary(ARRAYS, 20, 0)[1] == ()
    with pytest.raises(CheckpointError, match="no token table"):
        resize_vocabulary({}, 20, 0)


def test_many_new_rows_are_a_truncated_normal() -> None:
    rows = resize_vocabulary(ARRAYS, 5020, 0)[0]["albert_embedding_lookup.embedding_table"][20:]
    # The deviation of a normal that is cut off at two deviations is 0.88 of its own.
    assert abs(rows.std() - 0.0176) < 0.0005
    assert abs(rows.mean()) < 0.0005


def test_the_size_changes_only_by_the_flag(tmp_path: Path) -> None:
    source = google(tmp_path / "in", "cls1")
    text = convert(source, tmp_path / "big.ckpt", "--vocab_size", 25, "--seed", 3)
    assert "note: vocab_size 20 became 25" in text
    assert read_input(tmp_path / "big.ckpt").network.vocab_size == 25
    convert(source, tmp_path / "w.ckpt")
    assert read_input(tmp_path / "w.ckpt").network.vocab_size == 20
    assert "vocab_size is 20 in the checkpoint and 25" in refused(
        tmp_path / "w.ckpt", tmp_path / "x.ckpt", "--config", tmp_path / "big.yaml"
    )
    assert "not a number of tokens" in refused(source, tmp_path / "x.ckpt", "--vocab_size", 0)
