from __future__ import annotations

import socket
import time

import pytest

from src.serve.served import ServedModel
from tests.serve.fake_model import FakePredictor
from tests.serve.http_client import read_all
from tests.serve.running import Start, wait_until

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
GOOD = b'{"inputs": [{"text": "good"}]}'


def trickle(connection: socket.socket, data: bytes, pause_s: float = 0.05) -> float:
    """Send byte by byte until the server closes; return how long it took, in s."""
    start = time.monotonic()
    try:
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(pause_s)
    except ConnectionError:
        pass
    return time.monotonic() - start


def test_a_slow_head_is_cut_off(start: Start) -> None:
    running = start(read_timeout_s=0.5)
    with running.client.raw() as connection:
        # A byte now and then must not buy more time.
        trickle(connection, HEAD[:20])
        reply = read_all(connection)
    assert reply.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"the head of the request did not come within 0.5 s" in reply
    assert 'albert_refused_connections_total{reason="slow"} 1' in running.client.get("/metrics").body.decode()


def test_a_slow_second_head_is_cut_off_as_well(start: Start) -> None:
    running = start(read_timeout_s=0.5)
    request = HEAD + f"Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD
    with running.client.raw() as connection:
        connection.sendall(request + HEAD[:10])
        reply = read_all(connection)
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408" in reply


def test_a_slow_body_is_cut_off(start: Start) -> None:
    running = start(read_timeout_s=0.5)
    with running.client.raw() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        trickle(connection, b" " * 20)
        reply = read_all(connection)
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come within 0.5 s" in reply


def test_a_body_that_nobody_reads_is_cut_off(start: Start) -> None:
    running = start(read_timeout_s=0.5)
    with running.client.raw() as connection:
        # The path is unknown: the answer is there before the body.
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert trickle(connection, b" " * 100) < 4
        assert b"HTTP/1.1 404" in read_all(connection)
    wait_until(lambda: not running.server._uvicorn.server_state.connections)


def test_silence_is_cut_off(start: Start) -> None:
    running = start(read_timeout_s=0.3)
    with running.client.raw() as connection:
        assert read_all(connection) == b""
    assert 'albert_refused_connections_total{reason="silent"} 1' in running.client.get("/metrics").body.decode()


def test_who_does_not_take_its_answer_is_cut_off(start: Start) -> None:
    predictor = FakePredictor(ServedModel("encode", "any", "model"))
    predictor._answer = lambda item, text: {"vector": [0.5] * 300_000}  # type: ignore[method-assign]
    running = start(predictor, read_timeout_s=0.5)
    connections = running.server._uvicorn.server_state.connections
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", running.client.port))
        body = b'{"inputs": [' + b", ".join([b'{"text": "a"}'] * 8) + b"]}"
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: bool(predictor.batches))
        wait_until(lambda: not connections)


def test_more_connections_than_allowed_are_refused(start: Start) -> None:
    running = start(max_connections=2)
    idle = [running.client.raw() for _ in range(2)]
    wait_until(lambda: len(running.server._uvicorn.server_state.connections) == 2)
    reply = running.client.get("/healthz")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.error["what"] == "2 connections are open already"
    idle[0].close()
    wait_until(lambda: len(running.server._uvicorn.server_state.connections) == 1)
    assert running.client.get("/healthz").status == 200
    idle[1].close()


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"b" * 40_000 + b"\r\n\r\n"],
)
def test_what_is_no_http(start: Start, data: bytes) -> None:
    running = start(read_timeout_s=1)
    with running.client.raw() as connection:
        connection.sendall(data)
        reply = read_all(connection)
    assert reply.startswith((b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 408 "))
    assert running.client.ask("good").status == 200


def test_a_broken_body_does_not_break_the_server(start: Start) -> None:
    running = start()
    with running.client.raw() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc")
        connection.sendall(b"zzzz\r\nnonsense\r\n")
        reply = read_all(connection)
    assert reply.count(b"HTTP/1.1") == 1
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"the chunks of the body are damaged" in reply
    assert running.client.ask("good").status == 200


def test_slow_clients_do_not_hold_up_others(start: Start) -> None:
    running = start(read_timeout_s=5)
    slow = [running.client.raw() for _ in range(20)]
    for number, connection in enumerate(slow):
        connection.sendall(HEAD[:10] if number % 2 else HEAD + b"Content-Length: 1000\r\n\r\n ")
    begin = time.monotonic()
    for _ in range(5):
        assert running.client.ask("good").status == 200
    assert time.monotonic() - begin < 4
    for connection in slow:
        connection.close()
