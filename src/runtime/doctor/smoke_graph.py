"""The smoke test: compile a tiny graph with its gradient, run it, and compare with NumPy.

``doctor`` starts it in a process of its own, since a wrong driver or library ends a process without an exception.
It prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

_ROWS, _COLUMNS = 8, 16
# Of products of numbers up to 1, summed over 16: devices that compute them in less than 32 bit stay below.
_LARGEST_DIFFERENCE = 0.05


def main(argv: Sequence[str]) -> int:
    """Run the test on ``DEVICE_TARGET DEVICE_ID`` and print what came of it."""
    device_target, device_id = argv
    began = time.perf_counter()
    try:
        result = run(device_target, int(device_id), began)
    except Exception as error:  # whatever it is, it is what the doctor is to tell
        what, fix = getattr(error, "what", ""), getattr(error, "fix", "")
        line = (str(error).strip().splitlines() or [""])[0]
        result = {"problem": what or f"{type(error).__name__}: {line}", "fix": fix}
    print(json.dumps(result), flush=True)
    return 0


def run(device_target: str, device_id: int, began: float) -> dict[str, Any]:
    """Compute loss and gradient of one layer, twice.

    Returns:
        Seconds of the import (``import_s``), of the first run with its compilation (``first_s``) and of the second
        (``second_s``); the largest difference to NumPy; ``problem`` where it is too large.
    """
    import mindspore as ms
    import numpy as np

    from src.runtime.device import setup_device

    imported = time.perf_counter()
    setup_device(device_target, device_id)
    left = np.linspace(-1, 1, _ROWS * _COLUMNS, dtype=np.float32).reshape(_ROWS, _COLUMNS)
    right = np.linspace(1, -1, _COLUMNS * _ROWS, dtype=np.float32).reshape(_COLUMNS, _ROWS)

    def loss_of(left: Any, right: Any) -> Any:
        return ms.ops.square(ms.ops.matmul(left, right)).mean()

    step = ms.jit(ms.value_and_grad(loss_of, grad_position=1))
    times = []
    for _ in range(2):
        start = time.perf_counter()
        loss, gradient = step(ms.Tensor(left), ms.Tensor(right))
        loss, gradient = loss.asnumpy(), gradient.asnumpy()
        times.append(time.perf_counter() - start)
    product = left @ right
    wanted = left.T @ (2 * product / product.size)
    difference = max(float(np.abs(gradient - wanted).max()), abs(float(loss) - float(np.square(product).mean())))
    problem = "" if difference < _LARGEST_DIFFERENCE else f"the result is off by {difference:g}"
    return {
        "import_s": imported - began,
        "first_s": times[0],
        "second_s": times[1],
        "difference": difference,
        "problem": problem,
        "fix": "the device or its libraries compute wrongly: check driver and versions" if problem else "",
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
