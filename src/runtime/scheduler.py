"""The process through which those of a dynamic cluster find each other: ``python -m src.runtime.scheduler``.

It computes nothing, so it uses the CPU also where the others use GPU or Ascend. It ends with status 0, out of ``init``,
when every process has left the cluster.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import communication


def main() -> None:
    """Serve the processes until they have left."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    communication.init()


if __name__ == "__main__":
    main()
