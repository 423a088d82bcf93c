"""Run one micro-batch again, operator by operator, and find the first tensor that is not finite.

The pass runs outside of the train graph, in PyNative mode, with the weights that the graph has now. It changes no
parameter and draws no random number: dropout is off, which is the one difference to the pass that overflowed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from src.runtime.array_figures import ArrayFigures, figures_of
from src.train.layer_names import part_name

# The largest number of float16; a device that saturates has it in the place of an infinity.
_LARGEST_HALF = 65504.0
_GROUP_SUFFIX = ".albert_encoder.group."


@dataclass(frozen=True)
class SeenTensor:
    """A tensor of the pass.

    Attributes:
        part: The part of the network in words, such as ``layer 3 attention scores``.
        path: Cell or operator in the loss network.
        tensor: ``input 0``, ``output``, ``gradient of the output``.
        figures: What it holds.
        bad: Whether it is not finite, or at the limit of float16 on a device that saturates.
    """

    part: str
    path: str
    tensor: str
    figures: ArrayFigures
    bad: bool


@dataclass
class OverflowTrace:
    """What a pass has shown.

    Attributes:
        seen: Every tensor, in the order of the pass: forward, then backward.
        first: The first bad one; ``None`` where all are finite.
        inputs: What the operator of ``first`` has read, by name; for a gradient the gradient itself.
        parameters: Names of weights that are not finite themselves.
        gradients: Names of weights whose gradient is not finite.
        loss: The loss that was computed.
    """

    seen: list[SeenTensor] = field(default_factory=list)
    first: SeenTensor | None = None
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    gradients: list[str] = field(default_factory=list)
    loss: float = 0.0

    @property
    def place(self) -> str:
        """Where the overflow began, in words; empty where nothing was found."""
        if self.first is not None:
            return f"{self.first.part}: {self.first.tensor}"
        return f"gradient of {self.gradients[0]}" if self.gradients else ""


class _Recorder:
    """Looks at every tensor of a pass.

    Args:
        saturating: The device cuts overflows off at the largest number.
        inner_layers: Distinct layers of a group.
    """

    def __init__(self, saturating: bool, inner_layers: int) -> None:
        self.trace = OverflowTrace()
        self.layer = 0
        self.is_forward = True
        self._saturating = saturating
        self._inner_layers = inner_layers

    def part(self, path: str) -> str:
        return part_name(path, self.layer, self._inner_layers)

    def look(self, path: str, what: str, value: Tensor, inputs: dict[str, Tensor], part: str = "") -> None:
        """Note the figures of a tensor; keep what was read where it is the first bad one."""
        array = _array_of(value)
        figures = figures_of(array)
        at_limit = self._saturating and array.dtype == np.float16 and figures.max_abs >= _LARGEST_HALF
        seen = SeenTensor(part or self.part(path), path, what, figures, at_limit or not figures.is_finite)
        self.trace.seen.append(seen)
        if seen.bad and self.trace.first is None:
            self.trace.first = seen
            self.trace.inputs = {name: _array_of(item) for name, item in inputs.items()}

    def look_at_call(self, path: str, arguments: Sequence[Any], result: Any) -> Any:
        """Look at what an operator has read and computed, and later at the gradient of that."""
        inputs = {f"input {i}": item for i, item in enumerate(arguments) if isinstance(item, Tensor)}
        # Of what it reads, only sums and casts made on the way are new; the rest was the result of another operator.
        for name, item in inputs.items():
            if _is_float(item) and not isinstance(item, Parameter):
                self.look(path, name, item, inputs)
        results = result if isinstance(result, tuple) else (result,)
        for place, item in enumerate(results):
            if not _is_float(item):
                continue
            what = "output" if len(results) == 1 else f"output {place}"
            self.look(path, what, item, inputs)
            if place == 0:
                self._watch_gradient(path, what, item)
        return result

    def _watch_gradient(self, path: str, what: str, value: Tensor) -> None:
        part = self.part(path)

        def see(gradient: Tensor) -> Tensor:
            self.look(path, f"gradient of the {what}", gradient, {"gradient": gradient}, part)
            return gradient

        value.register_hook(see)


class _Watched:
    """An operator of a cell that is looked at while it is called."""

    def __init__(self, path: str, operator: Callable[..., Any], recorder: _Recorder) -> None:
        self._path = path
        self._operator = operator
        self._recorder = recorder

    def __call__(self, *arguments: Any) -> Any:
        """Call the operator."""
        result = self._operator(*arguments)
        if not self._recorder.is_forward:
            return result
        return self._recorder.look_at_call(self._path, arguments, result)


def trace_overflow(
    network: nn.Cell,
    weights: Sequence[Parameter],
    batch: Sequence[Tensor],
    loss_scale: float,
    saturating: bool = False,
) -> OverflowTrace:
    """Run forward and backward pass of a micro-batch and look at every tensor.

    Args:
        network: The loss network: returns (loss, figures).
        weights: What gradients are taken of.
        batch: The network's inputs.
        loss_scale: The loss is multiplied by it before the backward pass, as in the update.
        saturating: The device cuts overflows off at the largest number.
    """
    recorder = _Recorder(saturating, _inner_layers(network))
    trace = recorder.trace
    trace.parameters = [item.name for item in weights if not figures_of(_array_of(item)).is_finite]
    with _eager(network), _watching(network, recorder):

        def scaled(*inputs: Tensor) -> Tensor:
            loss, _ = network(*inputs)
            trace.loss = float(loss.asnumpy())
            recorder.look("", "loss", loss, {})
            recorder.is_forward = False
            return loss.astype(ms.float32) * loss_scale

        _, gradients = ms.value_and_grad(scaled, None, list(weights))(*batch)
        finite = [figures_of(_array_of(item)).is_finite for item in gradients]
    trace.gradients = [item.name for item, good in zip(weights, finite, strict=True) if not good]
    return trace


@contextlib.contextmanager
def _eager(network: nn.Cell) -> Iterator[None]:
    """Execute eagerly and without dropout; the compiled graphs stay as they are."""
    mode, training = ms.get_context("mode"), network.training
    ms.set_context(mode=ms.PYNATIVE_MODE)
    network.set_train(False)
    try:
        yield
    finally:
        network.set_train(training)
        ms.set_context(mode=mode)


@contextlib.contextmanager
def _watching(network: nn.Cell, recorder: _Recorder) -> Iterator[None]:
    """Put an observer before every operator that a cell holds, and count the layers."""
    watched: list[tuple[nn.Cell, str, Any]] = []
    handles: list[Any] = []

    def next_layer(cell: nn.Cell, inputs: Any) -> None:
        recorder.layer += recorder.is_forward

    try:
        for path, cell in network.cells_and_names():
            if not _has_own_backward(cell):
                watched += _watch_operators(path, cell, recorder)
            if _GROUP_SUFFIX in path and path.rpartition(".")[2].isdigit() and ".inner_group" not in path:
                handles.append(cell.register_forward_pre_hook(next_layer))
        yield
    finally:
        for cell, name, before in watched:
            if before is None:
                object.__delattr__(cell, name)
            else:
                object.__setattr__(cell, name, before)
        for handle in handles:
            handle.remove()


def _watch_operators(path: str, cell: nn.Cell, recorder: _Recorder) -> list[tuple[nn.Cell, str, Any]]:
    """Put an observer before each operator of a cell; return the cell, their names and what hid them before.

    A cell with a backward pass of its own is one operator: nothing inside of it takes part in that pass.
    """
    watched = []
    inner = {name: child for name, child in cell.name_cells().items() if _has_own_backward(child)}
    for name, operator in [*cell._primitives.items(), *inner.items()]:
        if operator is not None:
            # Not through the cell's own __setattr__: its list of operators stays as it is.
            watched.append((cell, name, vars(cell).get(name)))
            object.__setattr__(cell, name, _Watched(f"{path}.{name}".lstrip("."), operator, recorder))
    return watched


def _has_own_backward(cell: nn.Cell) -> bool:
    return hasattr(type(cell), "bprop")


def _inner_layers(network: nn.Cell) -> int:
    """Return the number of distinct layers of a group; 1 for a network without groups."""
    paths = {path.rpartition(".inner_group.")[2] for path, _ in network.cells_and_names() if ".inner_group." in path}
    return max(1, len({path for path in paths if path.isdigit()}))


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype in (ms.float32, ms.float16, ms.bfloat16)


def _array_of(value: Tensor) -> np.ndarray:
    """Return the values; bfloat16, which numpy lacks, as float32."""
    result: np.ndarray = (value.astype(ms.float32) if value.dtype == ms.bfloat16 else value).asnumpy()
    return result
