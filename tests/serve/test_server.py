from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.common.errors import CheckpointError, ConfigError
from src.serve.server import PredictionServer
from src.serve.settings import ServeSettings
from tests.entry.runs import ROOT, call
from tests.serve.fake_model import FakePredictor, loading
from tests.serve.http_client import Client, Reply, read_all
from tests.serve.running import Start, wait_until

SERVER = Path(__file__).with_name("fake_server.py")


def launch(*more: str, **settings: object) -> tuple[subprocess.Popen[str], int]:
    """Start a server in a process of its own; return it and its port once it is ready."""
    command = [sys.executable, str(SERVER), json.dumps({"port": 0, **settings}), *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    port = int(re.search(r"listening on http://127.0.0.1:(\d+)/", process.stderr.readline())[1])  # type: ignore[index]
    while "ready" not in process.stderr.readline():
        assert process.poll() is None
    return process, port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_finish_what_runs(number: signal.Signals) -> None:
    process, port = launch("1.0")
    client = Client(port)
    replies: list[Reply] = []
    asking = threading.Thread(target=lambda: replies.append(client.ask("good")))
    half = client.raw()
    try:
        half.sendall(b"POST /v1/predict HT")
        asking.start()
        # Long enough for the request to arrive; its answer takes a second.
        threading.Event().wait(0.5)
        process.send_signal(number)
        asking.join(30)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert [reply.status for reply in replies] == [200]
    assert process.returncode == 0
    assert "asked to stop: finishing what runs" in errors
    assert errors.splitlines()[-1] == "stopped"
    assert "Traceback" not in errors
    assert read_all(half) == b""
    with pytest.raises(ConnectionRefusedError):
        client.raw()


def test_a_second_signal_does_not_wait_for_clients() -> None:
    process, port = launch(read_timeout_s=60, timeout_s=60)
    with Client(port).raw() as connection:
        try:
            head = (
                b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
            )
            connection.sendall(head)
            threading.Event().wait(0.3)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "asked to stop again: not waiting for clients" in errors


def test_a_model_that_cannot_be_loaded_is_one_line_and_status_2() -> None:
    process = subprocess.run(
        [sys.executable, str(SERVER), '{"port": 0}', "broken"], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 2
    assert process.stderr.splitlines()[1:] == ["error: run/a.ckpt: the checkpoint is damaged -> restore it"]


def test_a_taken_port_is_one_line_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = subprocess.run(
            [sys.executable, str(SERVER), json.dumps({"port": port})], capture_output=True, text=True, timeout=60
        )
    assert process.returncode == 2
    message = f"error: --port: cannot listen on 127.0.0.1:{port}: Address already in use -> choose another --port"
    assert process.stderr.startswith(message)
    assert len(process.stderr.splitlines()) == 1


def test_an_unknown_host() -> None:
    with pytest.raises(ConfigError, match="there is no address 'no host'"):
        PredictionServer(loading(FakePredictor()), ServeSettings(host="no host", port=0))


def test_the_error_of_loading_reaches_the_caller(start: Start) -> None:
    def load() -> None:
        raise CheckpointError("damaged")

    running = start(load=load)
    running.thread.join(30)
    assert [str(error) for error in running.errors] == ["damaged"]


def test_only_other_addresses_than_this_machine_are_warned_of(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    start()
    assert "authentication" not in caplog.text
    running = start(host="0.0.0.0")
    assert f"there is no authentication: everyone who reaches http://0.0.0.0:{running.server.port}/" in caplog.text


def test_ipv6(start: Start) -> None:
    try:
        running = start(host="::1")
    except ConfigError:
        pytest.skip("there is no IPv6")
    assert running.server.address == f"http://[::1]:{running.server.port}/"


def test_what_waits_is_answered_at_the_end(start: Start) -> None:
    running = start(batch_size=1)
    running.predictor.gate.clear()
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(running.client.ask("good"))) for _ in range(4)]
    threads[0].start()
    # The first one is with the model, and the others wait.
    wait_until(lambda: bool(running.predictor.threads))
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(running.server.queue) == 3)
    running.server.stop()
    running.predictor.gate.set()
    for thread in threads:
        thread.join(30)
    assert [reply.status for reply in replies] == [200] * 4
    running.thread.join(30)
    assert running.errors == []


def test_a_model_for_something_else_is_refused_before_the_port_is_taken() -> None:
    run = ROOT / "tests" / "fixtures" / "mindir_v1" / "classifier" / "run"
    outcome = call("predict", ["serve", "--run_dir", run, "--null_threshold", 0, "--port", 0])
    assert (outcome.status, outcome.out) == (2, "")
    assert "--null_threshold: it is for questions, and this model is served as classify" in outcome.err
    outcome = call("predict", ["serve", "--run_dir", run, "--as", "ner", "--port", 0])
    assert (outcome.status, outcome.out) == (2, "")
    assert "it has no tags of words" in outcome.err
    assert "listening" not in outcome.err


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--as", "encode"], "the model was exported with its head, for classify"),
        (["--pooling", "mean"], "--pooling: it is for encode, and this model is served as classify"),
    ],
)
def test_vectors_of_a_model_with_a_head_are_refused_at_once(given: list[str], what: str) -> None:
    model = ROOT / "tests" / "fixtures" / "mindir_v1" / "classifier" / "model.mindir"
    outcome = call("predict", ["serve", "--model", model, "--port", 0, *given])
    assert (outcome.status, outcome.out) == (2, "")
    assert what in outcome.err
    assert "listening" not in outcome.err
