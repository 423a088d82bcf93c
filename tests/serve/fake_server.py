"""A server of its own process with a fake model: ``python tests/serve/fake_server.py '{"port": 0}' [SECONDS]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from src.common.cli import run_command
from src.common.errors import CheckpointError
from src.common.log import setup_logging
from src.serve.server import PredictionServer
from src.serve.settings import ServeSettings
from tests.serve.fake_model import FakePredictor, loading


def broken() -> None:
    raise CheckpointError("the checkpoint is damaged", "run/a.ckpt", "restore it")


def main(argv: Sequence[str]) -> int:
    setup_logging()
    load = broken if "broken" in argv else loading(FakePredictor(seconds=float(argv[1]) if len(argv) > 1 else 0.0))
    PredictionServer(load, ServeSettings(**{"warm_up": "none", **json.loads(argv[0])})).run()
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
