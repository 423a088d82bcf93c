"""MindSpore's ``.ckpt`` files in and out. Importing this module imports MindSpore."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.common.files import atomic_path
from src.model.weights import read_checkpoint


def read_ms_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Return all entries of a ``.ckpt`` file by the names they have there; 16-bit values become float32.

    Raises:
        CheckpointError: The file is missing, empty, damaged, or of another kind.
    """
    entries = read_checkpoint(path)
    return {
        name: values if values.dtype.kind in "iub" else values.astype(np.float32) for name, values in entries.items()
    }


def write_ms_checkpoint(path: Path, entries: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, with MindSpore's checksum at the end of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        # MindSpore makes the file readable by its owner only, and adds its suffix where it is missing.
        permissions = temporary.stat().st_mode
        checkpoint = temporary.with_name(f"{temporary.name}.ckpt")
        try:
            content = [{"name": name, "data": Tensor(values)} for name, values in entries.items()]
            ms.save_checkpoint(content, str(checkpoint.resolve()), crc_check=True)
            checkpoint.replace(temporary)
            temporary.chmod(permissions)
        finally:
            checkpoint.unlink(missing_ok=True)
