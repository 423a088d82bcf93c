"""Open an exported model and run it: MindIR by MindSpore, ONNX by ONNX Runtime, both with MindSpore's tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from src.common.errors import CheckpointError, ConfigError, DeviceError
from src.common.native_output import without_native_output
from src.export.description import AIR, ONNX, ExportDescription, read_description
from src.export.encryption import check_key
from src.runtime.device import setup_device
from src.tasks.inference import InferenceNetwork

if TYPE_CHECKING:
    import onnxruntime

_DTYPES = {"int32": ms.int32, "float32": ms.float32}


class _Exported(ABC):
    """A network from a file: checks what it is given, which MindSpore answers with the name of an operator.

    Args:
        description: Names inputs and shapes.
        where: The model's file, for messages.
    """

    def __init__(self, description: ExportDescription, where: Path) -> None:
        self._description = description
        self._where = where

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs of a batch."""
        self._check(inputs)
        outputs = self._run(inputs)
        self._check_outputs(inputs, outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def set_train(self, mode: bool = True) -> _Exported:
        """Do nothing: an exported network holds no dropout."""
        return self

    @abstractmethod
    def _run(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs of a batch that was checked."""

    def _misfit(self, what: str) -> CheckpointError:
        """Return the error for a graph that does not fit its description."""
        what = f"{what}: it does not fit its description"
        return CheckpointError(what, str(self._where), "copy all files of the model again, or export again")

    def _check_outputs(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """Raise ``CheckpointError`` for outputs that are not those of the description."""
        specs = self._description.outputs
        rows = inputs[0].shape[0]
        fits = len(outputs) == len(specs) and all(
            len(output.shape) == len(spec.shape)
            and output.shape[0] == rows
            and all(want in (None, size) for want, size in zip(spec.shape, output.shape, strict=True))
            for spec, output in zip(specs, outputs, strict=True)
        )
        if not fits:
            raise self._misfit("the model gives other outputs")

    def _check(self, inputs: Sequence[Tensor]) -> None:
        """Raise ``CheckpointError`` for inputs of a number, dtype or shape that the model does not take."""
        specs = self._description.inputs
        if len(inputs) != len(specs):
            names = ", ".join(spec.name for spec in specs)
            raise CheckpointError(f"the model takes {len(specs)} inputs ({names}), not {len(inputs)}", str(self._where))
        for spec, tensor in zip(specs, inputs, strict=True):
            fits = tensor.dtype == _DTYPES[spec.dtype] and len(tensor.shape) == len(spec.shape)
            if not fits or any(want not in (None, size) for want, size in zip(spec.shape, tensor.shape, strict=True)):
                dtype = str(tensor.dtype).lower()
                what = f"the model takes {spec.shown()}, and was given {dtype} {list(tensor.shape)}"
                fix = "give batches of this shape, or export again with other sizes or --export_dynamic true"
                raise CheckpointError(what, str(self._where), fix)
        if len({tuple(tensor.shape) for tensor in inputs[:3]}) > 1:
            raise CheckpointError("ids, mask and segments are not of one shape", str(self._where))
        most = self._description.task.network_config().max_position_embeddings
        if inputs[0].shape[1] > most:
            # A graph for any length reads beyond its table of positions without a word.
            what = f"a row of {inputs[0].shape[1]} tokens is longer than the model's {most} positions"
            raise CheckpointError(what, str(self._where), "shorten the rows")


class _MindirNetwork(_Exported):
    """A network in MindSpore's own format."""

    def __init__(self, description: ExportDescription, where: Path, key: bytes | None) -> None:
        super().__init__(description, where)
        try:
            with without_native_output():
                self._network = nn.GraphCell(_load_mindir(where, key, description.encryption))
        except Exception as error:  # The parser raises whatever the damage leads to.
            if key is not None:
                what, fix = "the model cannot be decrypted with this key", "give the key that it was exported with"
                raise CheckpointError(what, str(where), fix) from error
            what = "MindSpore cannot read the model"
            fix = "open it with the version of MindSpore that wrote it, see the json beside it, or export again"
            raise CheckpointError(what, str(where), fix) from error

    def _run(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        try:
            result = self._network(*inputs)
        except (RuntimeError, TypeError, ValueError) as error:
            if "KeyboardInterrupt" in str(error):
                raise KeyboardInterrupt from error
            raise self._misfit("MindSpore cannot run the model") from error
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _load_mindir(path: Path, key: bytes | None, encryption: str) -> Any:
    """Return the graph of a MindIR file."""
    if key is None:
        return ms.load(str(path))
    return ms.load(str(path), dec_key=key, dec_mode=encryption)


class _OnnxNetwork(_Exported):
    """A network in ONNX format; ONNX Runtime computes it on the CPU."""

    def __init__(self, description: ExportDescription, where: Path) -> None:
        super().__init__(description, where)
        self._session = _onnx_session(where)
        self._names = [argument.name for argument in self._session.get_inputs()]
        if len(self._names) != len(description.inputs):
            what = f"the model has {len(self._names)} inputs, its description {len(description.inputs)}"
            raise CheckpointError(what, str(where), "export again")

    def _run(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        given = {name: tensor.asnumpy() for name, tensor in zip(self._names, inputs, strict=True)}
        try:
            arrays = self._session.run(None, given)
        except Exception as error:  # Its errors have no common base besides Exception.
            raise self._misfit("ONNX Runtime cannot run the model") from error
        return tuple(Tensor(np.ascontiguousarray(array)) for array in arrays)


def _onnx_session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session whose results do not change from call to call."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("ONNX Runtime is not installed", str(path), "pip install -r requirements.txt") from error
    options = onnxruntime.SessionOptions()
    # The order of sums does not depend on how the threads come along.
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # Its errors have no common base besides Exception.
        what = "ONNX Runtime cannot read the model"
        raise CheckpointError(
            what, str(path), "export again, or install the version that requirements.txt names"
        ) from error


def open_exported(
    model: Path, device_target: str = "CPU", key: bytes | None = None, *, device_id: int = 0
) -> tuple[ExportDescription, InferenceNetwork]:
    """Open an exported model and prepare the device.

    Args:
        model: The model's file, or the json beside it.
        device_target: Where to compute; ONNX files are computed on the CPU only.
        key: Key of an encrypted model (see ``src/export/encryption.py``).
        device_id: Number of the device.

    Returns:
        Its description, and a network that takes and gives MindSpore tensors.

    Raises:
        CheckpointError: The model or its description is missing, damaged or encrypted with another key.
        ConfigError: A key is missing or superfluous, or ONNX Runtime is not installed.
        DeviceError: The model cannot be computed on this device.
    """
    description = read_description(model)
    path = model.with_name(description.file)
    return description, open_network(path, description, device_target, key, device_id=device_id)


def open_network(
    path: Path, description: ExportDescription, device_target: str, key: bytes | None, *, device_id: int = 0
) -> InferenceNetwork:
    """Open the file of a description that was read or is about to be written; see ``open_exported``."""
    check_key(key, description.encryption, str(path))
    if description.format == AIR:
        fix = "run it on an Ascend through ACL (atc), or export MINDIR"
        raise CheckpointError("an AIR file cannot be opened in Python", str(path), fix)
    if description.format == ONNX:
        if device_target != "CPU":
            fix = "leave device_target at CPU, or export MINDIR"
            raise DeviceError("ONNX models are computed on the CPU here", "device_target", fix)
        setup_device("CPU")
        return _OnnxNetwork(description, path)
    setup_device(device_target, device_id)
    return _MindirNetwork(description, path, key)
