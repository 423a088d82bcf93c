from __future__ import annotations

from collections.abc import Iterator

import mindspore as ms
import pytest


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    """Start every test in PyNative mode, which needs no compilation, and leave it so."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)
