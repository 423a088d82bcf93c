"""An exported model is opened whole or not at all, and says clearly what it does not take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import CheckpointError, ConfigError, DeviceError
from src.common.files import sha256_of
from src.export.description import description_path, read_description, write_description
from src.export.encryption import read_key
from src.export.exported import open_exported
from tests.export.export_runs import LENGTH, POSITIONS, batch, export, export_well, outputs

Exported = Callable[..., Path]
Runs = Callable[[str], Path]
KEY = "00112233445566778899aabbccddeeff"
DYNAMIC = (("export_dynamic", True),)


@pytest.fixture
def model(exported: Exported, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that gives a copy of a model that may be changed."""

    def copy(*given: object) -> Path:
        source = exported("classification", *given)
        shutil.copytree(source.parent, tmp_path, dirs_exist_ok=True)
        return tmp_path / source.name

    return copy


def renew_checksum(model: Path) -> None:
    """Let the description agree with a file that was changed."""
    path = description_path(model)
    model_sha256 = sha256_of(model)
    content = path.read_text(encoding="utf-8")
    old = content.split('"sha256": "')[1][:64]
    path.write_text(content.replace(old, model_sha256), encoding="utf-8")


def test_a_flipped_byte_is_found(model: Callable[..., Path]) -> None:
    path = model()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="the file is damaged or another one"):
        open_exported(path)


@pytest.mark.parametrize("file_format", ["MINDIR", pytest.param("ONNX", marks=pytest.mark.slow)])
def test_what_the_libraries_cannot_read(
    model: Callable[..., Path], capfd: pytest.CaptureFixture[str], file_format: str
) -> None:
    path = model(file_format)
    for content in (path.read_bytes()[: path.stat().st_size // 2], b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="its checksum is not the one"):
            open_exported(path)
        renew_checksum(path)
        with pytest.raises(CheckpointError, match="cannot read the model"):
            open_exported(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("file_format", ["MINDIR", pytest.param("ONNX", marks=pytest.mark.slow)])
def test_a_description_of_other_sizes_than_the_graph(model: Callable[..., Path], file_format: str) -> None:
    path = model(file_format)
    description = read_description(path)
    rows = description.rows
    assert rows is not None
    specs = tuple(replace(spec, shape=(rows, LENGTH - 2)) for spec in description.inputs)
    write_description(description_path(path), replace(description, inputs=specs))
    _, network = open_exported(path)
    with pytest.raises(CheckpointError, match="it does not fit its description"):
        network(*(Tensor(np.ones((rows, LENGTH - 2), np.int32)) for _ in specs))


def test_a_description_of_other_outputs_than_the_graph(model: Callable[..., Path]) -> None:
    path = model("MINDIR")
    description = read_description(path)
    specs = tuple(replace(spec, shape=(*spec.shape, 1)) for spec in description.outputs)
    _, network = open_exported(path)
    network._description = replace(description, outputs=specs)
    rows, length = description.rows, description.length
    assert rows is not None
    assert length is not None
    with pytest.raises(CheckpointError, match="the model gives other outputs: it does not fit"):
        network(*(Tensor(np.ones((rows, length), np.int32)) for _ in description.inputs))


def test_batches_of_another_shape_are_refused(exported: Exported) -> None:
    path = exported("classification")
    _, network = open_exported(path)
    assert len(outputs(network, batch(1, LENGTH))) == 1
    assert network.set_train(False) is network
    cases = {
        "takes 3 inputs": batch(1, LENGTH)[:2],
        r"takes input_ids int32 \[1, 16\], and was given int32 \[2, 16\]": batch(2, LENGTH),
        r"was given int32 \[1, 8\]": batch(1, 8),
        r"was given float32 \[1, 16\]": [tensor.astype(ms.float32) for tensor in batch(1, LENGTH)],
        r"was given int32 \[16\]": [tensor.reshape(-1) for tensor in batch(1, LENGTH)],
    }
    for message, inputs in cases.items():
        with pytest.raises(CheckpointError, match=message):
            network(*inputs)


@pytest.mark.slow
def test_any_size_ends_where_the_positions_end(exported: Exported) -> None:
    _, network = open_exported(exported("classification", "MINDIR", DYNAMIC))
    ids, mask, segments = batch(2, POSITIONS)
    with pytest.raises(
        CheckpointError, match=f"a row of {POSITIONS + 1} tokens is longer than the model's {POSITIONS}"
    ):
        network(*batch(1, POSITIONS + 1))
    with pytest.raises(CheckpointError, match="ids, mask and segments are not of one shape"):
        network(ids, mask, segments[:1])


@pytest.mark.slow
def test_onnx_gives_the_same_numbers_every_time(exported: Exported) -> None:
    path = exported("classification", "ONNX")
    first, second = (open_exported(path)[1] for _ in range(2))
    inputs = batch(1, LENGTH)
    expected = outputs(first, inputs)[0]
    for network in (first, second, first):
        result = network(*inputs)
        assert isinstance(result, Tensor)
        assert np.array_equal(result.asnumpy(), expected)
    with pytest.raises(DeviceError, match="ONNX models are computed on the CPU"):
        open_exported(path, "GPU")


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "key"), [("AES-GCM", KEY * 2), ("AES-CBC", KEY), ("SM4-CBC", KEY)])
def test_encrypted_models(
    run_of: Runs, exported: Exported, tmp_path: Path, capfd: pytest.CaptureFixture[str], mode: str, key: str
) -> None:
    path, key_file = tmp_path / "secret.mindir", tmp_path / "key"
    key_file.write_text(f"{key}\n", encoding="utf-8")
    outcome = export_well(
        {"run_dir": run_of("classification"), "export_file_name": path, "enc_key_file": key_file, "enc_mode": mode}
    )
    description, network = open_exported(path, key=read_key(key_file))
    assert description.encryption == mode
    inputs = batch(1, LENGTH)
    assert np.array_equal(outputs(network, inputs)[0], outputs(open_exported(exported("classification"))[1], inputs)[0])
    texts = [outcome.out, outcome.err, *(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.json"))]
    assert not any(key in text or key.upper() in text for text in texts)
    # Names of parameters are to be read in a model that is not encrypted.
    assert b"dense_1" in exported("classification").read_bytes()
    assert b"dense_1" not in path.read_bytes()
    with pytest.raises(ConfigError, match=rf"the model is encrypted \({mode}\)"):
        open_exported(path)
    with pytest.raises(CheckpointError, match="cannot be decrypted with this key"):
        open_exported(path, key=bytes(len(key) // 2))
    with pytest.raises(ConfigError, match="the model is not encrypted"):
        open_exported(exported("classification"), key=read_key(key_file))
    assert capfd.readouterr() == ("", "")


def test_air_is_not_for_python(model: Callable[..., Path]) -> None:
    path = model()
    description = replace(read_description(path), format="AIR")
    write_description(description_path(path), description)
    with pytest.raises(CheckpointError, match="an AIR file cannot be opened in Python"):
        open_exported(path)


def test_without_onnx_runtime(exported: Exported, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = model()
    write_description(description_path(path), replace(read_description(path), format="ONNX"))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="ONNX Runtime is not installed -> pip install"):
        open_exported(path)


@pytest.mark.slow
def test_activations_that_onnx_does_not_have(tmp_path: Path) -> None:
    from tests.export.export_runs import make_run, write_vocabulary

    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    run = make_run(tmp_path / "run", "classification", vocabulary, hidden_act="gelu_erf")
    target = tmp_path / "new" / "model"
    outcome = export({"run_dir": run, "export_file_name": target, "file_format": "ONNX"})
    assert outcome.status == 2
    assert "MindSpore does not write the activation gelu_erf as ONNX -> export MINDIR" in outcome.err
    assert not target.parent.exists()
    export_well({"run_dir": run, "export_file_name": target})
