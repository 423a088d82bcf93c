"""Choose the device, the execution mode and the seeds: once per process, before anything is computed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Literal, get_args

import mindspore as ms

from src.common.errors import DeviceError
from src.common.seeds import child_seed

DeviceTarget = Literal["CPU", "GPU", "Ascend"]
_LOGGER = logging.getLogger(__name__)


def setup_device(
    device_target: str, device_id: int = 0, seed: int = 0, *, deterministic: bool = True, pynative: bool = False
) -> None:
    """Prepare MindSpore for this process.

    Args:
        device_target: ``CPU``, ``GPU`` or ``Ascend``.
        device_id: Number of the device; a CPU has only 0.
        seed: The run's seed; initialisation and dropout get the child stream ``initialisation``.
        deterministic: Make equal runs equal to the bit, dropout included.
        pynative: Execute eagerly, for debugging, instead of compiling graphs.

    Raises:
        DeviceError: The target is unknown, is not there, or was set differently before.
    """
    if device_target not in get_args(DeviceTarget):
        raise DeviceError(
            f"unknown device target {device_target!r}",
            "device_target",
            f"use one of {', '.join(get_args(DeviceTarget))}",
        )
    ms.set_context(mode=ms.PYNATIVE_MODE if pynative else ms.GRAPH_MODE)
    # With it MindSpore takes a graph of the same sources with other shapes, layers or dropout from its cache, and
    # computes something else without a word.
    os.environ.pop("MS_COMPILER_CACHE_ENABLE", None)
    _select(device_target, device_id)
    if deterministic:
        _make_deterministic(device_target)
    seed_everything(seed)


def seed_everything(seed: int, *indices: int) -> None:
    """Set MindSpore's seed (initialisation, dropout) from the run's seed.

    Cells made and graphs compiled afterwards start their dropout stream from it; a running one cannot be set back.

    Args:
        seed: The run's seed.
        indices: For a resumed run the step it resumes at, so that it does not repeat the masks of step 0.
    """
    ms.set_seed(child_seed(seed, "initialisation", *indices))


def overflow_may_saturate() -> bool:
    """Say whether the selected device may cut an overflow off at the largest number instead of making it infinite.

    Some Ascend chips do (910A; 910B with ``MS_ASCEND_CHECK_OVERFLOW_MODE=SATURATION_MODE``), and tell of it only in a
    status register. Which chip it is, MindSpore's ``amp.all_finite`` finds out.
    """
    return str(ms.get_context("device_target")) == "Ascend"


def _select(device_target: str, device_id: int) -> None:
    """Select the device or explain why it cannot be had."""
    if device_id < 0:
        raise DeviceError(f"device_id {device_id} is negative", "device_id", "use 0 or more")
    try:
        if device_target == "CPU":
            ms.set_device("CPU")
        else:
            ms.set_device(device_target, device_id)
    except (RuntimeError, ValueError) as error:
        if "has been initialized" in str(error) and _is_selected(device_target, device_id):
            return
        message = (str(error).strip().splitlines() or ["no reason given"])[0]
        reason = message.split(". ")[0].rstrip(".")
        raise DeviceError(
            f"{device_target} cannot be used: {reason}", "device_target", _advice(device_target)
        ) from error


def _is_selected(device_target: str, device_id: int) -> bool:
    """Say whether something was computed on just this device already; selecting it anew is refused then."""
    return ms.get_context("device_target") == device_target and (
        device_target == "CPU" or ms.get_context("device_id") == device_id
    )


def _advice(device_target: str) -> str:
    return {
        "CPU": "one process can use one kind of device: start a new one",
        "GPU": "install the CUDA and cuDNN versions that this MindSpore was built for, or use --device_target CPU",
        "Ascend": "install CANN and source its set_env.sh, check npu-smi info, or use --device_target CPU",
    }[device_target]


def _make_deterministic(device_target: str) -> None:
    """Fix what makes equal runs differ.

    On a CPU that is dropout: its kernel draws one stream per thread, and MindSpore tries several numbers of threads
    during the first calls and keeps the fastest. One thread per kernel ends that, at some cost (docs/optimization.md);
    matrix products have threads of their own. ``set_deterministic`` does not help there.
    """
    if device_target == "CPU":
        _once(lambda: ms.device_context.cpu.op_tuning.threads_num(1))
    else:
        _once(lambda: ms.set_deterministic(True))


def _once(setting: Callable[[], None]) -> None:
    """Apply a setting that MindSpore takes once per process."""
    try:
        setting()
    except RuntimeError as error:
        if "repeatedly" not in str(error):
            raise
        _LOGGER.debug("already set: %s", error)
