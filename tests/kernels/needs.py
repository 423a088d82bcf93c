"""What tests of the compiled kernels need."""

from __future__ import annotations

import pytest

from src.kernels.compiler import NoKernelsError, find_compiler


def _has_compiler() -> bool:
    try:
        find_compiler()
    except NoKernelsError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not _has_compiler(), reason="no C++ compiler is there")
