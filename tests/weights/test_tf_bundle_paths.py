from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import CheckpointError
from src.weights.tf_bundle_paths import find_index
from tests.weights.bundle_samples import table
from tests.weights.fixtures.make_tf_checkpoints import PREFIXES


def make(folder: Path, *names: str) -> Path:
    """Make empty index files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.index").write_bytes(b"")
    return folder


def state(path: Path, named: str) -> Path:
    path.write_text(f'model_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "older"\n')
    return path


def test_prefix_index_and_folder(tmp_path: Path) -> None:
    index = make(tmp_path, "model.ckpt-best") / "model.ckpt-best.index"
    (tmp_path / "._model.ckpt-best.index").write_bytes(b"")  # made by macOS's archiver
    for path in (tmp_path / "model.ckpt-best", index, tmp_path):
        assert find_index(path) == index


def test_prefix_wins_over_a_folder_of_its_name(tmp_path: Path) -> None:
    make(tmp_path, "model")
    make(tmp_path / "model", "other")
    assert find_index(tmp_path / "model") == tmp_path / "model.index"


def test_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path, "model.ckpt"))
    for path in (Path(), Path("model.ckpt"), Path("model.ckpt.index")):
        assert find_index(path).resolve() == (tmp_path / "model.ckpt.index").resolve()


def test_module_of_tensorflow_hub(tmp_path: Path) -> None:
    make(tmp_path / "variables", "variables")
    assert find_index(tmp_path) == tmp_path / "variables" / "variables.index"


@pytest.mark.parametrize(
    "named",
    ["model-2", "/home/me/training/model-2", "./model-2", r"\155odel-2", r"\x6dodel-2", r"model-\62"],
)
def test_checkpoint_file_decides(tmp_path: Path, named: str) -> None:
    make(tmp_path, "model-1", "model-2", "model-3")
    path = state(tmp_path / "checkpoint", named)
    assert find_index(tmp_path) == find_index(path) == tmp_path / "model-2.index"


def test_checkpoint_file_that_tensorflow_wrote() -> None:
    prefix = PREFIXES["objects"]
    assert find_index(prefix.parent / "checkpoint") == Path(f"{prefix}.index")


def test_checkpoint_file_names_another_folder_and_odd_characters(tmp_path: Path) -> None:
    make(tmp_path / 'o"d\\d', "é")
    path = state(tmp_path / "checkpoint", r"o\"d\\d/\303\251")
    assert find_index(path) == tmp_path / 'o"d\\d' / "é.index"


def test_several_without_checkpoint_file(tmp_path: Path) -> None:
    make(tmp_path, *(f"model-{number:02d}" for number in range(12)))
    with pytest.raises(
        CheckpointError, match=r"several .*: model-00, model-01, .*model-09 and 2 more.*give the prefix"
    ):
        find_index(tmp_path)


@pytest.mark.parametrize("named", ["model-9", "/home/me/model-9", r"\000", ""])
def test_checkpoint_file_names_a_missing_one(tmp_path: Path, named: str) -> None:
    make(tmp_path, "model-1", "model-2")
    state(tmp_path / "checkpoint", named)
    with pytest.raises(CheckpointError, match=r"checkpoint: it names .* which is not there -> give the prefix"):
        find_index(tmp_path)


@pytest.mark.parametrize(
    "name", ["model.ckpt.data-00000-of-00001", "model.ckpt.data-00003-of-00016", "model.ckpt.meta"]
)
def test_part_of_a_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"only a part of a checkpoint -> give its prefix: model\.ckpt$"):
        find_index(tmp_path / name)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such TensorFlow checkpoint -> check the path; give the prefix"):
        find_index(tmp_path / "model.ckpt")
    make(tmp_path, "model.ckpt-best")
    with pytest.raises(CheckpointError, match=r"in this folder: model\.ckpt-best"):
        find_index(tmp_path / "model.ckpt")
    with pytest.raises(
        CheckpointError, match="no such TensorFlow checkpoint -> check the path: there is no such folder"
    ):
        find_index(tmp_path / "nowhere" / "model.ckpt")


def test_data_files_without_index(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(b"x")
    with pytest.raises(
        CheckpointError, match=r"model\.ckpt\.index: the checkpoint has data files but no index -> copy"
    ):
        find_index(tmp_path / "model.ckpt")


def test_folder_without_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"no TensorFlow checkpoint \(\*\.index\) is in this folder"):
        find_index(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"model_checkpoint_path: oops\n", bytes(300)])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="this is no TensorFlow checkpoint -> give the prefix"):
        find_index(path)


def test_format_v1() -> None:
    with pytest.raises(CheckpointError, match=r"old format V1 .*save it again with SaverDef\.V2"):
        find_index(PREFIXES["version1"])


def test_index_that_was_renamed(tmp_path: Path) -> None:
    path = tmp_path / "index.bin"
    path.write_bytes(table({b"": b"\x08\x01"}))
    with pytest.raises(CheckpointError, match=r"a renamed index needs its ending \.index"):
        find_index(path)
