"""The command itself with a real network: its answers are those of the command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.http_client import Client

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "tests" / "fixtures" / "mindir_v1" / "classifier" / "run"
TEXTS = ["a warm and funny film", "dull", "the plot is bad but the actors are good and the jokes are funny"]


@pytest.mark.slow
def test_the_server_answers_as_the_command_line() -> None:
    command = [sys.executable, "predict.py"]
    lines = "".join(f"{text}\n" for text in TEXTS)
    alone = subprocess.run(
        [*command, "classify", "--run_dir", str(RUN), "--json"], input=lines, capture_output=True, text=True, cwd=ROOT
    )
    expected = [json.loads(line) for line in alone.stdout.splitlines()]
    process = subprocess.Popen(
        [*command, "serve", "--run_dir", str(RUN), "--port", "0", "--batch_size", "4", "--warm_up", "one"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stderr is not None
        port = int(re.search(r":(\d+)/", process.stderr.readline())[1])  # type: ignore[index]
        while "ready" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        client = Client(port)
        reply = client.ask(*TEXTS)
        refused = client.post({"inputs": [{"text": TEXTS[0]}, {"text": " "}]})
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors.splitlines()[-1]) == (0, "stopped")
    outputs = reply.json["outputs"]
    assert [output["label"] for output in outputs] == [record["label"] for record in expected]
    for output, record in zip(outputs, expected, strict=True):
        assert output["probabilities"] == pytest.approx(record["probabilities"], abs=1e-5)
    assert (refused.status, refused.error["index"], refused.error["what"]) == (422, 1, "text is empty")
