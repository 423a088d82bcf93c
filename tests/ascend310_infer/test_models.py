from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.ascend310_infer.application import MODELS, Work


def _not_there(path: Path, content: bytes) -> None:
    pass


def _folder(path: Path, content: bytes) -> None:
    path.mkdir()


def _empty(path: Path, content: bytes) -> None:
    path.write_bytes(b"")


def _begin(path: Path, content: bytes) -> None:
    path.write_bytes(content[:20])


def _half(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2])


def _text(path: Path, content: bytes) -> None:
    path.write_text("no model\n" * 100)


def _number(field: int, value: int) -> bytes:
    """Return a field of protobuf that holds a number."""
    return bytes([field << 3, value])


def _text_of(field: int, text: str) -> bytes:
    return bytes([field << 3 | 2, len(text)]) + text.encode()


def _newer(path: Path, content: bytes) -> None:
    """Write what is outermost in a model of MindSpore 2.10."""
    head = _text_of(1, "1.1") + _text_of(2, "MindSpore") + _text_of(5, "2.10.0")
    path.write_bytes(head + _text_of(7, "graph") + _number(10, 1) + _text_of(12, "primitive") + _number(13, 3))


def _encrypted(path: Path, content: bytes) -> None:
    path.write_bytes(b"\xd8\x5e\x3a\x7f" + bytes(100))


def _encrypted_by_blocks(path: Path, content: bytes) -> None:
    path.write_bytes(b"\xd9\x5e\x3a\x7f" + bytes(100))


NEWER = (
    "MindSpore Lite cannot build the model for CPU: this model was written by MindSpore 2.10.0 (MindIR version 3); "
    "MindSpore Lite 2.0.0 on the CPU reads version 1 ({}) -> try the road with the models of tests/fixtures/mindir_v1"
)


@pytest.mark.parametrize(
    ("damage", "status", "error"),
    [
        (_not_there, 2, "there is no such model file ({}) -> "),
        (_folder, 2, "there is no such model file ({}) -> "),
        (_empty, 2, "the model file is empty ({}) -> "),
        (_begin, 3, "MindSpore Lite cannot build the model for CPU: "),
        (_half, 3, "MindSpore Lite cannot build the model for CPU: "),
        (_text, 3, "MindSpore Lite cannot build the model for CPU: "),
        (_newer, 3, NEWER),
        (_encrypted, 2, "the model is encrypted ({}) -> export it without a key"),
        (_encrypted_by_blocks, 2, "the model is encrypted ({}) -> export it without a key"),
    ],
)
def test_damaged_models(classifier: Work, damage: Callable[[Path, bytes], None], status: int, error: str) -> None:
    path = classifier.folder / "damaged.mindir"
    damage(path, classifier.model.read_bytes())
    assert error.format(path) in classifier.refused(mindir_path=path, status=status)


def test_there_is_no_ascend(classifier: Work) -> None:
    error = classifier.refused(device="Ascend310P", precision_mode="enforce_fp16", threads=None, status=3)
    assert "MindSpore Lite cannot build the model for Ascend: " in error
    assert "--device CPU runs without an Ascend" in error
    newer = classifier.folder / "newer.mindir"
    _newer(newer, b"")
    error = classifier.refused(mindir_path=newer, device="Ascend", threads=None, status=3)
    assert "; this model was written by MindSpore 2.10.0 (MindIR version 3) (" in error
    assert "--device CPU" not in error


def test_too_few_folders(classifier: Work) -> None:
    error = classifier.refused(input2_path=None)
    assert f"the model has 3 inputs, 2 folders are given ({classifier.model}) -> the inputs are " in error
    assert "input 0 'input_ids_BT' int32 [4, 32], input 1 'input_mask_BT' int32 [4, 32], input 2 'segm" in error


def test_too_many_folders(classifier: Work) -> None:
    more = {f"input{number}_path": classifier.folder / "00_data" for number in (3, 4)}
    assert "the model has 3 inputs, 5 folders are given" in classifier.refused(**more)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("float_mask", "input 1 'input_mask' float32 [2, 4] is not int32 as the files are"),
        ("any_rows", "input 0 'input_ids' int32 [-1, 4] has no fixed size"),
        ("many_outputs", "the model has 4 inputs, 3 folders are given"),
    ],
)
def test_models_that_do_not_fit(application: Path, tmp_path: Path, name: str, error: str) -> None:
    work = Work(tmp_path, application, MODELS / "odd" / f"{name}.mindir", ((2, 4),) * 3)
    work.write("a")
    assert error in work.refused()


def test_a_fourth_input_is_paired_too(application: Path, tmp_path: Path) -> None:
    work = Work(tmp_path, application, MODELS / "odd" / "many_outputs.mindir", (*((2, 4),) * 3, (2, 3)))
    work.write("a")
    work.put(3, "b", np.zeros((2, 3)))
    assert f"1 files of {tmp_path}/00_data are missing: a.bin ({tmp_path}/03_data)" in work.refused()


def test_files_for_another_model(application: Path, classifier: Work) -> None:
    squad = dataclasses.replace(classifier, model=MODELS / "squad" / "model.mindir")
    error = squad.refused()
    assert "the file is for batches of 4 rows, the model takes 2 (" in error
    assert error.endswith("00_data/x_batch_4_000000.bin) -> preprocess with --eval_batch_size 2")


def test_files_of_another_length(application: Path, tmp_path: Path) -> None:
    shapes = (*((2, 8),) * 3, (2, 3))
    work = Work(tmp_path, application, MODELS / "odd" / "many_outputs.mindir", shapes)
    work.write("x_batch_2_000000", "x_batch_x_1", "x_batch_2")
    for batch in ("x_batch_2_000000", "x_batch_x_1", "x_batch_2"):
        work.put(3, batch, np.zeros((2, 3)))
    assert "the file has 64 bytes, input 0 'input_ids' int32 [2, 4] takes 32" in work.refused()
