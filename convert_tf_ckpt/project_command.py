"""Run a command of the package ``src`` that lies beside this folder, from whatever folder a script was started in."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path


def run(module: str) -> int:
    """Run ``main`` of a module of ``src`` and return the exit status.

    The package is loaded from its file: the search path stays as it is, and another ``src`` in the current folder is
    not taken for it.
    """
    package = Path(__file__).resolve().parents[1] / "src" / "__init__.py"
    spec = importlib.util.spec_from_file_location("src", package, submodule_search_locations=[str(package.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} cannot be loaded")
    sys.modules["src"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["src"])
    run_command = importlib.import_module("src.common.cli").run_command

    def main(argv: Sequence[str]) -> int:
        # Imported here, where Ctrl-C ends in a word and not in a traceback.
        status: int = importlib.import_module(module).main(argv)
        return status

    done: int = run_command(main)
    return done
