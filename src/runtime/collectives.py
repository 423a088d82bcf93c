"""What processes tell each other outside of the training graph: figures, decisions and first weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from src.runtime.process_group import ProcessGroup

# Numbers of one message of share_parameters.
_PIECE = 1 << 18


class _Gather(nn.Cell):
    """Collect one int32 [W] of every process, [size * W]."""

    def __init__(self) -> None:
        super().__init__()
        self.all_gather = ops.AllGather()

    def construct(self, words: Tensor) -> Tensor:
        return self.all_gather(words)


class _Sum(nn.Cell):
    """Add up a tensor over all processes."""

    def __init__(self) -> None:
        super().__init__()
        self.all_reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, values: Tensor) -> Tensor:
        return self.all_reduce(values)


def gather(group: ProcessGroup, values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the values of all processes, float64 [size, n], exact to the bit; every process must call it.

    No backend reduces float64, so the bits travel as int32.

    Args:
        group: The processes.
        values: n numbers of this process.
    """
    own = np.asarray(values, dtype=np.float64)
    if not group.distributed:
        return own[None]
    words = _Gather()(Tensor(own.view(np.int32))).asnumpy()
    return words.view(np.float64).reshape(group.size, own.size)


def gather_float32(group: ProcessGroup, values: np.ndarray) -> np.ndarray:
    """Return the values of all processes, float32 [size, n], exact to the bit; every process must call it.

    Args:
        group: The processes.
        values: float32 [n] of this process; n is the same in all.
    """
    if not group.distributed:
        return values[None]
    together = _Gather()
    pieces = []
    for piece in _pieces(values.view(np.int32)):
        pieces.append(together(Tensor(piece)).asnumpy().reshape(group.size, _PIECE))
    return np.concatenate(pieces, axis=1)[:, : values.size].view(np.float32)


def gather_arrays(group: ProcessGroup, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the arrays of all processes, those of rank 0 first; every process must call it.

    Args:
        group: The processes.
        values: float32 arrays of this process, of one shape but for the first dimension. Another process may have
            another number of them, or none.
    """
    if not group.distributed:
        return list(values)
    shape = values[0].shape if values else ()
    # Rank of the arrays and their last dimension: a process without any learns them from the others.
    sizes = gather(group, [len(values), len(shape), shape[-1] if shape else 0]).astype(np.int64)
    counts, dimensions, width = sizes[:, 0], int(sizes[:, 1].max()), int(sizes[:, 2].max())
    firsts = np.zeros(max(int(counts.max()), 1), np.float64)
    firsts[: len(values)] = [len(item) for item in values]
    lengths = gather(group, firsts).astype(np.int64)
    inner = (width,) if dimensions > 1 else ()
    wholes = lengths * (width if inner else 1)
    flat = np.zeros(max(int(wholes.sum(axis=1).max()), 1), np.float32)
    if values:
        own = np.concatenate([item.reshape(-1) for item in values])
        flat[: own.size] = own
    together: list[np.ndarray] = []
    for rank, row in enumerate(gather_float32(group, flat)):
        ends = np.cumsum(wholes[rank, : counts[rank]])
        parts = np.split(row[: wholes[rank].sum()], ends[:-1])
        together += [part.reshape(-1, *inner) for part in parts[: counts[rank]]]
    return together


def from_main(group: ProcessGroup, value: float) -> float:
    """Return the value that the main process gave."""
    return float(gather(group, [value])[0, 0])


def share_parameters(group: ProcessGroup, parameters: Sequence[Parameter]) -> None:
    """Give every process the main process's values.

    A sum to which the others add nothing serves for it: all backends have it, for float32 at the least. It goes in
    pieces of one size, so that one graph serves all parameters and no second copy of them is needed.

    Args:
        group: The processes.
        parameters: The same ones, in the same order, in every process.
    """
    if not group.distributed:
        return
    add = _Sum()
    for parameter in parameters:
        value = parameter.asnumpy()
        own = _as_float32(value)
        parts = [_sum_in_pieces(add, part if group.is_main else np.zeros_like(part)) for part in own]
        shared = parts[0].astype(value.dtype) if len(parts) == 1 else _joined(*parts).astype(value.dtype)
        # Copied in place: after set_data a graph with branches that has run before goes on with the old values.
        ops.assign(parameter, Tensor(shared.reshape(value.shape), parameter.dtype))


def _as_float32(value: np.ndarray) -> list[np.ndarray]:
    """Return the values as float32 [n] without loss: 32-bit whole numbers in two parts of 16 bits."""
    flat = value.reshape(-1)
    if np.issubdtype(value.dtype, np.floating):
        return [flat.astype(np.float32)]
    return [part.astype(np.float32) for part in np.divmod(flat.astype(np.int64), 1 << 16)]


def _joined(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Undo the parting of ``_as_float32``."""
    return (high.astype(np.int64) << 16) + low.astype(np.int64)


def _sum_in_pieces(add: nn.Cell, values: np.ndarray) -> np.ndarray:
    """Add up float32 [n] over all processes."""
    return np.concatenate([add(Tensor(piece)).asnumpy() for piece in _pieces(values)])[: values.size]


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    """Cut an array [n] into arrays of one length, the last filled up with zeros: one graph serves them all."""
    for start in range(0, values.size, _PIECE):
        piece = np.zeros(_PIECE, values.dtype)
        piece[: min(_PIECE, values.size - start)] = values[start : start + _PIECE]
        yield piece
