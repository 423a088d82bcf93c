from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.weights.safe_pickle import read_torch_file

torch = pytest.importorskip("torch", reason="writes the files that are read")


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def archive(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/data/0", b"\0" * 8)
    return path


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "stream"])
def test_reads_what_torch_writes(tmp_path: Path, as_zip: bool) -> None:
    base = torch.arange(12, dtype=torch.float32)
    state = OrderedDict(
        plain=base.reshape(3, 4).clone(),
        transposed=base.reshape(3, 4).t(),
        part=base[5:9],
        parameter=torch.nn.Parameter(torch.ones(2)),
        half=torch.tensor([0.5, 2.0], dtype=torch.float16),
        bfloat=torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        double=torch.tensor([0.25], dtype=torch.float64),
        ids=torch.arange(3).expand(1, -1),
        scalar=torch.tensor(4.0),
        empty=torch.zeros(0, 3),
    )
    state._metadata = {"": {"version": 1}}
    torch.save(
        {**state, "epoch": 3, "note": "text"} if as_zip else state,
        tmp_path / "a.bin",
        _use_new_zipfile_serialization=as_zip,
    )
    read = read_torch_file(tmp_path / "a.bin")
    assert set(read) == set(state)
    for name, tensor in state.items():
        expected = tensor.detach().float().numpy() if tensor.is_floating_point() else tensor.numpy()
        assert read[name].dtype == expected.dtype
        assert np.array_equal(read[name], expected), name


@pytest.mark.parametrize("where", ["zip", "stream"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_is_never_run(tmp_path: Path, where: str, protocol: int) -> None:
    mark = tmp_path / "run"
    content = pickle.dumps({"weight": Attack(os.system, f"touch {mark}")}, protocol)
    path = tmp_path / "evil.bin"
    if where == "zip":
        archive(path, content)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"wants to run (posix|os|nt)\.system; nothing of the file was run"):
        read_torch_file(path)
    assert not mark.exists()


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, open, torch.load, np.frombuffer])
def test_other_calls_are_refused_too(tmp_path: Path, function: Any) -> None:
    path = archive(tmp_path / "evil.bin", pickle.dumps(Attack(function, "1"), 2))
    with pytest.raises(CheckpointError, match="wants to run"):
        read_torch_file(path)


# Opcodes written out: c finds a name, ( ) t make tuples, R calls, b sets state, } is a dictionary, . ends.
@pytest.mark.parametrize(
    "program",
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n}Vx\nI1\nsb.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(N}V_function\nI1\nstb.",
        b"ccollections\nOrderedDict\n(N}Vx\nI1\nstb.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(Vno storage\nI0\n(I1\nt(I1\nttR.",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"\x80\x04\x8c\x0ccollections\x8c\x14OrderedDict.__init__\x93.",
        b"(Vstorage\nVFloatStorage\nV0\nVcpu\nI-2\ntQ.",
        b"(Vstorage\nVOther\nV0\nVcpu\nI2\ntQ.",
        b"V0\nQ.",
        b"(lp0\n.",
        b".",
        b"",
    ],
)
def test_odd_programs_are_refused(tmp_path: Path, program: bytes) -> None:
    with pytest.raises(CheckpointError):
        read_torch_file(archive(tmp_path / "odd.bin", program))


STORAGE = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI2\ntQ"


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (b"I0\n(I3\nt(I1\nt", "reaches behind its storage"),
        (b"I1\n(I2\nt(I1\nt", "reaches behind its storage"),
        (b"I0\n(I2\nt(I4\nt", "reaches behind its storage"),
        (b"I0\n(I2\nt(I-1\nt", "a tensor is damaged"),
        (b"I0\n(I9\nt(I0\nt", "reaches behind its storage"),
    ],
)
def test_a_view_outside_its_storage_is_refused(tmp_path: Path, view: bytes, message: str) -> None:
    program = b"}Vw\nctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + view + b"tRs."
    with pytest.raises(CheckpointError, match=message):
        read_torch_file(archive(tmp_path / "view.bin", program))


def test_a_checked_view_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"I0\n(I2\nt(I1\nttR"
    good = archive(tmp_path / "good.bin", b"}Vw\n" + tensor + b"s.")
    assert read_torch_file(good)["w"].tolist() == [0, 0]
    for state in (b"}Voffset\nI99\nsb", b"(N}Voffset\nI99\nstb"):
        with pytest.raises(CheckpointError):
            read_torch_file(archive(tmp_path / "changed.bin", b"}Vw\n" + tensor + state + b"s."))


def test_a_packed_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "packed.bin", pickle.dumps({}), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="no PyTorch file of weights"):
        read_torch_file(path)


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "stream"])
def test_damage_never_ends_in_another_error(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "a.bin"
    torch.save({"w": torch.ones(3, 4), "b": torch.zeros(4)}, path, _use_new_zipfile_serialization=as_zip)
    content = path.read_bytes()
    draw = random.Random(5)
    for _ in range(60):
        path.write_bytes(content[: draw.randrange(len(content))])
        with pytest.raises(CheckpointError):
            read_torch_file(path)
    for _ in range(200):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            assert set(read_torch_file(path)) <= {"w", "b"} or not as_zip
        except CheckpointError:
            continue


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        read_torch_file(tmp_path / "none.bin")
