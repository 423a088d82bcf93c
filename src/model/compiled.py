"""Operators compiled from C++ (``src/kernels``): whether a network may use them, and how MindSpore calls one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.config.sections import NetworkConfig
from src.kernels.compiler import NoKernelsError
from src.kernels.library import compiled_library

_LOGGER = logging.getLogger(__name__)
_PORTABLE: ContextVar[bool] = ContextVar("portable", default=False)


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Build networks from MindSpore's operators alone: what is exported runs where the kernels are not."""
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)


def kernels_fit(config: NetworkConfig) -> bool:
    """Say whether a network made now is to use the kernels: where they are, and all in float32."""
    return config.compute_type == config.dtype == "float32" and kernels_are_there()


def recomputes(config: NetworkConfig) -> bool:
    """Say whether a network made now is to compute its layers again in the backward pass.

    Not with the kernels, which MindSpore cannot repeat there. On a CPU they keep less than ``recompute`` leaves without
    them (docs/results/recompute_memory.md).
    """
    if config.recompute and kernels_fit(config):
        _tell_of_recompute()
        return False
    return config.recompute


def kernels_are_there() -> bool:
    """Say whether this is a CPU for which the kernels could be compiled, and nothing ``portable`` is made."""
    return not _PORTABLE.get() and str(ms.get_context("device_target")) == "CPU" and _could_be_compiled()


@lru_cache(maxsize=1)
def _could_be_compiled() -> bool:
    """Say whether there is a library; try, and tell why not, once in a process."""
    try:
        compiled_library()
    except NoKernelsError as error:
        _LOGGER.info("without compiled kernels, which is slower: %s", error)
        return False
    return True


@lru_cache(maxsize=1)
def _tell_of_recompute() -> None:
    _LOGGER.info("recompute has no effect here: the compiled kernels keep less in memory than it would leave")


class Kernel(nn.Cell):
    """A function of the library as an operator.

    Args:
        name: Its name there.
        shapes: Returns the shapes of its outputs from those of its inputs.
        outputs: How many there are; one is returned as it is, more as a tuple.
    """

    def __init__(self, name: str, shapes: Callable[..., Any], outputs: int = 1) -> None:
        super().__init__()
        types: Any = ms.float32 if outputs == 1 else (ms.float32,) * outputs
        self.call = ops.Custom(f"{compiled_library()}:{name}", shapes, lambda *_: types, func_type="aot")

    def construct(self, *inputs: Tensor) -> Any:
        """Return what the function writes."""
        return self.call(*inputs)
