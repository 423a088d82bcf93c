"""What an export is to make, and everything about it that can be wrong before MindSpore is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError, OutputError
from src.config.load import load_config
from src.export.plan import ExportPlan, make_plan
from tests.entry.runs import arguments

KEY = "00112233445566778899aabbccddeeff"


def plan(folder: Path, **keys: Any) -> ExportPlan:
    given = {"export_file_name": folder / "model", **keys}
    return make_plan(load_config("classifier", arguments(given)))


def test_the_defaults_are_one_row_and_the_length_of_the_training(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert (made.format, made.part, made.rows, made.length) == ("MINDIR", "model", 1, None)
    assert made.target == tmp_path / "model.mindir"
    assert (made.key, made.encryption, made.is_dynamic) == (None, "", False)


def test_any_size_has_no_rows_and_no_length(tmp_path: Path) -> None:
    made = plan(tmp_path, export_dynamic=True, export_batch_size=4, export_seq_length=64)
    assert (made.rows, made.length, made.is_dynamic) == (None, None, True)


@pytest.mark.parametrize(
    ("name", "file_format", "file"),
    [
        ("a", "MINDIR", "a.mindir"),
        ("a.mindir", "MINDIR", "a.mindir"),
        ("a.ONNX", "ONNX", "a.onnx"),
        ("albert_v1.5", "ONNX", "albert_v1.5.onnx"),
        ("new/deep er/ä", "MINDIR", "new/deep er/ä.mindir"),
    ],
)
def test_the_name_may_have_its_ending(tmp_path: Path, name: str, file_format: str, file: str) -> None:
    made = plan(tmp_path, export_file_name=tmp_path / name, file_format=file_format)
    assert made.target == tmp_path / file
    # Nothing is made by planning.
    assert list(tmp_path.iterdir()) == []


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "dynamic ONNX": ({"file_format": "ONNX", "export_dynamic": True}, "ONNX files take batches of one size"),
    "AIR on the CPU": ({"file_format": "AIR"}, "only an Ascend writes AIR files"),
    "encrypted ONNX": ({"file_format": "ONNX", "enc_key_file": "key"}, "MindSpore does not encrypt ONNX files"),
    "a mode without a key": ({"enc_mode": "AES-GCM"}, "enc_mode: without a key the model would not be encrypted"),
    "no key": ({"enc_key_file": "missing"}, "cannot read the key"),
    "another ending": ({"export_file_name": "model.onnx"}, "the ending .onnx is not that of MINDIR"),
    "a folder": ({"export_file_name": "."}, "this is a folder"),
    "a folder that exists": ({"export_file_name": "there"}, "this is a folder"),
    "a folder by its end": ({"export_file_name": "new/"}, "this is a folder"),
    "the folder above": ({"export_file_name": ".."}, "this is a folder"),
}


@pytest.mark.parametrize("case", list(CONTRADICTIONS))
def test_contradictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    keys, message = CONTRADICTIONS[case]
    with pytest.raises(ConfigError, match=message):
        plan(tmp_path, **keys)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_key_is_read_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBERT_KEY", KEY)
    made = plan(tmp_path, enc_key_file="env:ALBERT_KEY", enc_mode="aes-cbc")
    assert (made.key, made.encryption) == (bytes.fromhex(KEY), "AES-CBC")
    assert KEY not in repr(made)
    assert str(made.key) not in repr(made)
    monkeypatch.setenv("ALBERT_KEY", KEY * 2)
    with pytest.raises(ConfigError, match="SM4-CBC takes a key of 16 bytes"):
        plan(tmp_path, enc_key_file="env:ALBERT_KEY", enc_mode="SM4-CBC")


def describe(path: Path, file: str, **keys: Any) -> None:
    content = {"format": "MINDIR", "file": file, "sha256": "0", "part": "model", "task": {}, **keys}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("names", [["model.json"], ["model.json", "model.mindir"]])
def test_an_earlier_export_is_replaced_only_when_told(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        describe(tmp_path / name, "model.mindir")
    with pytest.raises(OutputError, match="there is an export of this name already"):
        plan(tmp_path)
    assert plan(tmp_path, overwrite=True).overwrite
    assert sorted(path.name for path in tmp_path.iterdir()) == names


FOREIGN: dict[str, tuple[str, str]] = {
    "notes": ("model.json", '{"written": "by hand", "file": "model.mindir"}'),
    "no json": ("model.json", "{"),
    "a list": ("model.json", "[1]"),
    "deep": ("model.json", "[" * 100_000),
    "another format": ("model.json", '{"format": 1, "file": "", "sha256": "", "part": "", "task": ""}'),
    "a model without description": ("model.mindir", "of another program"),
}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("case", list(FOREIGN))
def test_files_of_others_are_never_replaced(tmp_path: Path, case: str, overwrite: bool) -> None:
    name, content = FOREIGN[case]
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match=f"{name}: something else stands where the export should go"):
        plan(tmp_path, overwrite=overwrite)
    assert (tmp_path / name).read_text(encoding="utf-8") == content


@pytest.mark.parametrize("name", ["assets/task", "checkpoints/manifest", "eval/new", "predictions/deep/er/new"])
def test_the_folders_of_a_run_are_its_own(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    (run / "assets").mkdir(parents=True)
    assert plan(tmp_path, export_file_name=run / name)
    (run / "environment.json").write_text('{"run_format": 1}', encoding="utf-8")
    for overwrite in (True, False):
        with pytest.raises(OutputError, match="here the run run keeps files of its own"):
            plan(tmp_path, export_file_name=run / name, overwrite=overwrite)
    with pytest.raises(OutputError, match="something else stands"):
        plan(tmp_path, export_file_name=run / "environment", overwrite=True)
    assert plan(tmp_path, export_file_name=run / "exported" / "model")


def test_what_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    assets = tmp_path / "model.assets"
    assets.mkdir()
    for names, is_export in (((), True), (("task.json", "vocab.txt"), True), (("notes.txt",), False)):
        for path in assets.iterdir():
            path.unlink()
        for name in names:
            (assets / name).touch()
        if is_export:
            assert plan(tmp_path, overwrite=True)
            continue
        with pytest.raises(OutputError, match="something else stands where the export should go"):
            plan(tmp_path, overwrite=True)
    (assets / "notes.txt").unlink()
    assets.rmdir()
    (tmp_path / "model.json").mkdir()
    with pytest.raises(OutputError, match="something else stands where the export should go"):
        plan(tmp_path, overwrite=True)


def test_two_formats_do_not_share_a_name(tmp_path: Path) -> None:
    describe(tmp_path / "model.json", "model.mindir")
    with pytest.raises(OutputError, match=r"model.json describes another model, model.mindir"):
        plan(tmp_path, file_format="ONNX", overwrite=True)
    assert plan(tmp_path, overwrite=True)


def test_a_mode_in_a_file_without_a_key(tmp_path: Path) -> None:
    overlay = tmp_path / "more.yaml"
    overlay.write_text("enc_mode: SM4-CBC\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="without a key the model would not be encrypted"):
        plan(tmp_path, overlay=overlay)
    overlay.write_text("enc_mode: AES-GCM\n", encoding="utf-8")
    assert plan(tmp_path, overlay=overlay).encryption == ""


def test_batches_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"export_batch_size.*65536"):
        plan(tmp_path, export_batch_size=65_537)
    assert plan(tmp_path, export_batch_size=65_536).rows == 65_536


def test_whether_places_were_asked_for(tmp_path: Path) -> None:
    assert not plan(tmp_path).asks_predictions
    assert plan(tmp_path, export_predictions=20).asks_predictions
