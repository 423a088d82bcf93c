"""Write the graph of a network into a file, through MindSpore."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.common.errors import AlbertError, CheckpointError, ConfigError
from src.common.native_output import without_native_output
from src.export.description import AIR, MINDIR, ONNX, SUFFIXES, TensorSpec
from src.export.description_check import INPUT_NAMES


class _Graph(nn.Cell):
    """A network as it is exported.

    Args:
        network: The network.
        copies_outputs: Put an operation of its own behind each output. In ONNX MindSpore 2.10 cannot name what a
            reshape gives, and writes a file that no program can read.
    """

    def __init__(self, network: nn.Cell, copies_outputs: bool) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.copies_outputs = copies_outputs
        self.identity = ops.Identity()

    def named(self, outputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """Return outputs that can be named."""
        if not self.copies_outputs:
            return outputs
        if not isinstance(outputs, tuple):
            return self.identity(outputs)
        copies: tuple[Tensor, ...] = ()
        for output in outputs:
            copies = (*copies, self.identity(output))
        return copies


class _GraphOfThree(_Graph):
    """The graph of a network of three inputs: MindSpore names them after these arguments."""

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs of the network."""
        return self.named(self.network(input_ids, input_mask, segment_ids))


class _GraphOfFour(_Graph):
    """The graph of a network of four inputs."""

    def construct(
        self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor, masked_lm_positions: Tensor
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs of the network."""
        return self.named(self.network(input_ids, input_mask, segment_ids, masked_lm_positions))


def write_graph(
    network: nn.Cell,
    file_format: str,
    inputs: Sequence[TensorSpec],
    output_names: Sequence[str],
    path: Path,
    key: bytes | None = None,
    encryption: str = "",
) -> None:
    """Write a network with its weights as one file, which gets the permissions of any other.

    Args:
        network: The network.
        file_format: ``MINDIR``, ``ONNX`` or ``AIR``.
        inputs: Inputs in their order.
        output_names: Names of the outputs; ONNX alone keeps them.
        path: Where to; its ending is that of the format.
        key: Key to encrypt with, MindIR only.
        encryption: How to encrypt.

    Raises:
        CheckpointError: MindSpore wrote no file, or several.
        ConfigError: The network holds something that the format does not have.
    """
    graph = _GraphOfThree if len(inputs) == len(INPUT_NAMES) else _GraphOfFour
    cell = graph(network, copies_outputs=file_format == ONNX)
    cell.set_train(False)
    tensors = [
        Tensor(shape=list(spec.shape), dtype=ms.int32) if None in spec.shape else ops.zeros(spec.shape, ms.int32)
        for spec in inputs
    ]
    names = ([spec.name for spec in inputs], list(output_names))
    options = {} if key is None else {"enc_key": key, "enc_mode": encryption}
    with tempfile.TemporaryDirectory() as folder:
        # MindSpore takes no spaces and no letters but English ones in a path.
        link = Path(folder) / "to"
        link.symlink_to(path.parent.resolve(), target_is_directory=True)
        _call_mindspore(cell, tensors, file_format, str(link / f"graph{SUFFIXES[file_format]}"), names, options)
    _take(path)


def _call_mindspore(
    cell: nn.Cell,
    tensors: list[Tensor],
    file_format: str,
    file_name: str,
    names: tuple[list[str], list[str]],
    options: Mapping[str, object],
) -> None:
    """Let MindSpore write a graph, without what it prints meanwhile."""
    try:
        with without_native_output():
            if file_format == ONNX:
                ms.onnx.export(cell, *tensors, file_name=file_name, input_names=names[0], output_names=names[1])
            else:
                ms.export(cell, *tensors, file_name=file_name, file_format=file_format, **options)
    except (AlbertError, OSError):
        raise
    except Exception as error:  # MindSpore raises whatever its compiler comes upon.
        raise _failure(error, file_format) from error


def _take(path: Path) -> None:
    """Give the file that MindSpore wrote its name and normal permissions."""
    written = path.with_name(f"graph{path.suffix}")
    others = [entry.name for entry in path.parent.iterdir() if entry.name.startswith("graph") and entry != written]
    if not written.is_file() or others:
        what = "MindSpore did not write the network into one file"
        fix = "networks of 1 GB and more are not exported; compute_type and parameters in float16 need half"
        raise CheckpointError(what, str(path), fix)
    umask = os.umask(0)
    os.umask(umask)
    written.chmod((stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH) & ~umask)
    written.rename(path)


def _failure(error: Exception, file_format: str) -> ConfigError:
    """Return the clear error for what MindSpore's export raised."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if file_format == AIR:
        return ConfigError(f"the AIR file could not be written: {first}", "file_format", "export MINDIR")
    if "Erf" in str(error):
        what = f"MindSpore does not write the activation gelu_erf as {file_format}"
        return ConfigError(what, "file_format", f"export {MINDIR}")
    what = f"MindSpore does not write this network as {file_format}: {first}"
    return ConfigError(what, "file_format", f"export {MINDIR}" if file_format != MINDIR else "report this")
