"""Settings that only an Ascend's compiler knows. What they may hold is checked with the configuration.

On another device MindSpore takes most of them without a word and without looking at the value, so nothing is called
there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms

from src.common.errors import DeviceError
from src.config.ascend_keys import AscendKeys


def apply_ascend_settings(keys: AscendKeys, device_target: str) -> None:
    """Give the settings to MindSpore, once the device is chosen and before anything is compiled.

    Args:
        keys: The checked keys.
        device_target: The device; nothing happens on any other than ``Ascend``.

    Raises:
        DeviceError: MindSpore refuses a setting, for example because this process has set it differently before.
    """
    if device_target != "Ascend":
        return
    ascend: Any = ms.device_context.ascend
    if keys.precision_mode is not None:
        mode = keys.precision_mode
        _set("precision_mode", lambda: ascend.op_precision.precision_mode(mode))
    if keys.auto_tune:
        _set("auto_tune", lambda: ascend.op_tuning.aoe_tune_mode("online"))
    if keys.fusion_off_flag:
        switches = {"ge.fusionSwitchFile": str(Path(keys.fusion_off_file).resolve())}
        _set("fusion_off_file", lambda: ms.set_context(ascend_config={"ge_options": {"session": switches}}))


def _set(key: str, setting: Callable[[], None]) -> None:
    """Apply a setting and name the key where MindSpore refuses it."""
    try:
        setting()
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise DeviceError(
            f"MindSpore refuses this setting: {reason}", key, "start a new process, or leave the key out"
        ) from error
