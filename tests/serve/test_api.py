from __future__ import annotations

import json
import logging
import threading
import time

import pytest

from src.serve.served import ServedModel
from tests.serve.fake_model import FakePredictor
from tests.serve.http_client import Reply, read_all
from tests.serve.running import Start, wait_until


def test_answers_in_order_with_the_model_and_the_time(start: Start) -> None:
    client = start().client
    reply = client.post({"inputs": [{"text": "good"}, {"text": "naja", "id": "x"}, {"text": "so good"}]})
    assert reply.status == 200
    content = reply.json
    assert [output["label"] for output in content["outputs"]] == ["good", "bad", "good"]
    assert [output.get("id") for output in content["outputs"]] == [None, "x", None]
    assert content["model"] == {"command": "classify", "kind": "classification", "name": "films"}
    assert 0 < content["time_ms"] < 30_000
    assert reply.headers["content-type"] == "application/json"


def test_half_characters_come_back_as_they_came(start: Start) -> None:
    reply = start().client.post(b'{"inputs": [{"text": "\\ud83d\\ude00 \\u00e9", "id": "\\ud800"}]}')
    assert reply.status == 200
    assert "😀 é".encode() in reply.body
    assert b'"\\ud800"' in reply.body
    assert reply.json["outputs"][0]["id"] == "\ud800"


def test_status_pages(start: Start) -> None:
    client = start().client
    assert client.get("/healthz").json == {"status": "alive"}
    assert client.get("/readyz").json == {"status": "ready"}
    model = client.get("/v1/model").json
    assert (model["command"], model["labels"], model["length"]) == ("classify", ["bad", "good"], 32)
    assert model["limits"]["max_inputs"] == 64
    assert model["notes"] == ["nothing was cut"]


def test_every_reply_forbids_foreign_scripts_and_frames(start: Start) -> None:
    client = start().client
    for path in ("/", "/page.js", "/v1/model", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_wrong_paths_methods_and_types(start: Start) -> None:
    client = start().client
    unknown = client.get("/nothing")
    assert (unknown.status, unknown.error["what"]) == (404, "there is no such path")
    wrong = client.request("PUT", "/v1/predict")
    assert (wrong.status, wrong.headers["allow"], wrong.error["fix"]) == (405, "POST", "use POST")
    form = client.request("POST", "/v1/predict", b'{"inputs": []}', {"Content-Type": "text/plain"})
    assert (form.status, form.error["where"]) == (415, "Content-Type")
    assert client.request("HEAD", "/").status == 200
    # No address that is made of the client's Host header.
    slash = client.request("POST", "/v1/predict/", b"{}", {"Host": "elsewhere.example"})
    assert (slash.status, slash.error["what"]) == (404, "there is no such path")
    assert "location" not in slash.headers
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    compressed = client.request("POST", "/v1/predict", b"\x1f\x8b\x08", packed)
    assert (compressed.status, compressed.error["where"]) == (415, "Content-Encoding")
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert client.request("POST", "/v1/predict", b'{"inputs": [{"text": "good"}]}', plain).status == 200


def test_a_bad_record_names_its_index_and_leaves_others_alone(start: Start) -> None:
    running = start()
    running.predictor.gate.clear()
    replies: dict[str, Reply] = {}

    def ask(name: str, *texts: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: replies.update({name: running.client.ask(*texts)}))
        thread.start()
        return thread

    # The first one keeps the network busy until the others wait for one batch.
    first = ask("first", "good")
    wait_until(lambda: bool(running.predictor.threads))
    others = [
        ask("parse", "good", "unanswerable"),
        ask("predict", "good", "good", "wrong"),
        ask("crash", "crash"),
        ask("fine", "good", "bad", "good"),
    ]
    wait_until(lambda: len(running.server.queue) == 9)
    running.predictor.gate.set()
    for thread in (first, *others):
        thread.join(30)
    assert replies["first"].status == replies["fine"].status == 200
    assert [output["label"] for output in replies["fine"].json["outputs"]] == ["good", "bad", "good"]
    assert replies["parse"].status == replies["predict"].status == 422
    assert replies["parse"].error == {
        "what": "the text is unanswerable",
        "where": "inputs[1]",
        "fix": "give another one",
        "index": 1,
    }
    assert replies["predict"].error["index"] == 2
    assert replies["crash"].status == 500
    assert len(running.predictor.batches[1]) > 3, "they did not share a batch"
    assert len(running.predictor.threads) == 1, "the predictor was used by several threads"


def test_a_fault_of_ours_shows_no_secret(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = start().client
    with caplog.at_level(logging.INFO, "src"):
        reply = client.ask("crash with my letter")
    assert reply.status == 500
    assert reply.error["what"] == "the server failed at this request"
    assert b"Traceback" not in reply.body
    assert b"secret" not in reply.body
    assert "RuntimeError" in caplog.text
    assert "fake_model.py" in caplog.text
    assert "letter" not in caplog.text
    assert client.ask("good").status == 200


def test_a_fault_outside_of_the_model_is_told_as_json(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    predictor = FakePredictor()
    predictor._answer = lambda item, text: {"score": float("nan")}  # type: ignore[method-assign]
    reply = start(predictor).client.ask("my letter")
    assert (reply.status, reply.error["what"]) == (500, "the server failed at this request")
    wait_until(lambda: "ValueError" in caplog.text)
    assert "letter" not in caplog.text


def test_full_errors_are_logged_where_wanted(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "src"):
        start(full_errors=True).client.ask("crash with my letter")
    assert "RuntimeError: secret: crash with my letter" in caplog.text


def test_the_log_holds_no_texts(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = start().client
    with caplog.at_level(logging.INFO, "src"):
        client.ask("my letter")
        client.get("/my-letter?text=letter")
        client.post({"inputs": [{"text": "unanswerable letter"}]})
        client.get("/healthz")
    assert "letter" not in caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name == "src.serve.app"]
    assert [line.rpartition(" ")[0].rpartition(" ")[0] for line in lines] == [
        "POST /v1/predict 200 1 inputs",
        "GET other 404",
        "POST /v1/predict 422 1 inputs",
    ]


def test_too_large_bodies(start: Start) -> None:
    running = start(max_body_bytes=1000)
    client = running.client
    for size in (1001, 3_000_000):
        reply = client.post(b"x" * size)
        assert (reply.status, reply.error["what"]) == (413, "the body has more than 1000 bytes")
        assert reply.headers["connection"] == "close"
    # Without a length, piece by piece.
    with client.raw() as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall((b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3 + b"0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")
    # A client that asks first is told at once, before it sends anything.
    with client.raw() as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")
    assert client.post({"inputs": [{"text": "good"}]}).status == 200
    assert not running.predictor.batches[:-1]


@pytest.mark.parametrize("length", ["1001", "99999999999999999999"])
def test_a_body_that_is_said_to_be_too_large_is_not_waited_for(start: Start, length: str) -> None:
    running = start(max_body_bytes=1000, read_timeout_s=20)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    begin = time.monotonic()
    with running.client.raw() as connection:
        connection.sendall(head.encode())
        reply = b""
        while b'"fix"' not in reply:
            part = connection.recv(4096)
            assert part, reply
            reply += part
        assert time.monotonic() - begin < 10
        assert reply.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in reply.lower()
        # The connection stays open for what the client sends nevertheless, but not for ever.
        connection.sendall(b"x" * 500)
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * 100_000_000)
    assert time.monotonic() - begin < 10
    assert running.client.ask("good").status == 200


def test_a_body_of_two_lengths_is_refused(start: Start) -> None:
    client = start().client
    body = b'{"inputs": [{"text": "good"}]}'
    with client.raw() as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        )
        reply = read_all(connection)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"the body has a length and comes in chunks" in reply


def test_a_full_queue_says_when_to_come_back(start: Start) -> None:
    running = start(max_queue=2, batch_size=1)
    running.predictor.gate.clear()
    thread = threading.Thread(target=running.client.ask, args=("good",) * 6)
    thread.start()
    # Four are with the model, and the others wait; a request may be larger than an empty queue.
    wait_until(lambda: len(running.server.queue) == 2)
    reply = running.client.ask("good", "good")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.error["what"] == "2 inputs wait already, and 2 may"
    running.predictor.gate.set()
    thread.join(30)
    assert running.client.ask("good", "good").status == 200


def test_an_answer_that_takes_too_long(start: Start) -> None:
    running = start(timeout_s=0.3)
    running.predictor.gate.clear()
    reply = running.client.ask("good")
    assert (reply.status, reply.error["what"]) == (504, "there was no answer within 0.3 s")
    running.predictor.gate.set()
    assert running.client.ask("good").status == 200


def test_nobody_computes_for_a_client_that_has_gone(start: Start) -> None:
    running = start(batch_size=1)
    running.predictor.gate.clear()
    body = json.dumps({"inputs": [{"text": f"text {number}"} for number in range(8)]}).encode()
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with running.client.raw() as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: len(running.server.queue) == 4)
    wait_until(lambda: len(running.server.queue) == 0)
    running.predictor.gate.set()
    assert running.client.ask("good").status == 200
    assert running.predictor.batches == [[f"text {number}" for number in range(4)], ["good"]]


def test_several_requests_over_one_connection(start: Start) -> None:
    client = start().client
    body = b'{"inputs": [{"text": "good"}]}'
    head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    request = head.encode() + b"\r\n" + body
    with client.raw() as connection:
        connection.sendall(request * 2 + head.encode() + b"Connection: close\r\n\r\n" + body)
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(("command", "record", "key"), [("qa", "answers", "top_n"), ("fill-mask", "masks", "top_k")])
def test_as_many_candidates_as_were_asked_for(start: Start, command: str, record: str, key: str) -> None:
    client = start(FakePredictor(ServedModel(command, "any", "model"))).client
    inputs = [{"question": "a?", "context": "b c"} if command == "qa" else {"text": "a [MASK] [MASK]"}]

    def counts(query: dict[str, object]) -> list[int]:
        (output,) = client.post({"inputs": inputs, **query}).json["outputs"]
        return [len(output[record])] if command == "qa" else [len(found) for found in output[record]]

    assert counts({key: 3}) == ([3] if command == "qa" else [3, 3])
    assert counts({}) == ([1] if command == "qa" else [5, 5])


def test_before_the_model_is_loaded(start: Start) -> None:
    gate = threading.Event()
    predictor = FakePredictor()

    def load() -> tuple[FakePredictor, ServedModel]:
        gate.wait(30)
        return predictor, predictor.model

    running = start(predictor, load=load)
    assert running.client.get("/healthz").status == 200
    assert running.client.get("/").status == 200
    for path in ("/readyz", "/v1/model", "/openapi.json"):
        reply = running.client.get(path)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert running.client.ask("good").status == 503
    gate.set()
    wait_until(lambda: running.server.model.ready)
    assert running.client.ask("good").status == 200


def test_a_batch_is_shared_by_requests_that_come_together(start: Start) -> None:
    running = start(max_wait_ms=500, batch_size=4)
    threads = [threading.Thread(target=running.client.ask, args=(f"text {number}",)) for number in range(4)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert time.monotonic() - begin < 10
    assert [len(batch) for batch in running.predictor.batches] == [4]
