"""A real S3 server over HTTP (moto), and a proxy before it that breaks connections, refuses and damages."""

from __future__ import annotations

import contextlib
import functools
import http.client
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

ACCESS, SECRET = "AKIAEXAMPLEEXAMPLE00", "secret/of+the+tests/0123456789abcdefghijk"
BUCKET = "albert-jobs"
_START_S = 60


def keys(endpoint: str) -> dict[str, str]:
    """Return the variables with which a process reaches a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@functools.cache
def client(endpoint: str) -> Any:
    """Return a client of its own, with which tests look at the server."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}),
    )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run a server as a process of its own and give its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # The server itself asks for no keys; those of the tests must not leak in from outside either.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(command, env=environment, **quiet)  # type: ignore[call-overload]
    endpoint = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _START_S
        while True:
            assert process.poll() is None, "the S3 server has ended"
            assert time.monotonic() < deadline, "the S3 server does not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        client(endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class Fault:
    """What happens to one answer.

    Attributes:
        kind: ``cut`` ends the connection half-way, ``drop`` before the first byte, ``damage`` changes a byte,
            ``answer`` refuses without asking the server.
        status: Status of the refusal.
        code: Its code.
    """

    kind: str
    status: int = 503
    code: str = "SlowDown"


Plan = Callable[[str, str, int], "Fault | None"]


@dataclass
class FaultyProxy:
    """A proxy whose ``plan`` is asked for the fault of each request.

    Attributes:
        target: The server's address.
        plan: Takes the method, the path, and how many such requests came before.
        seen: Method and path of every request.
    """

    target: str
    plan: Plan = lambda method, path, count: None
    seen: list[tuple[str, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def run(self) -> Iterator[str]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()

    def count(self, method: str, part: str = "") -> int:
        return sum(method == seen and part in path for seen, path in self.seen)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        proxy, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                with lock:
                    before = proxy.seen.count((self.command, self.path))
                    proxy.seen.append((self.command, self.path))
                fault = proxy.plan(self.command, self.path, before)
                if fault and fault.kind == "drop":
                    self.close_connection = True
                    self.connection.close()
                    return
                if fault and fault.kind == "answer":
                    content = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>m</Message></Error>"
                    self._answer(fault.status, [("Content-Type", "application/xml")], content.encode(), None)
                    return
                host = proxy.target.removeprefix("http://")
                connection = http.client.HTTPConnection(host, timeout=30)
                kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "expect")}
                connection.request(self.command, self.path, body, {**kept, "Host": host})
                found = connection.getresponse()
                content = found.read()
                headers = [
                    (k, v) for k, v in found.getheaders() if k.lower() not in ("transfer-encoding", "connection")
                ]
                self._answer(found.status, headers, content, fault)
                connection.close()

            def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, fault: Fault | None) -> None:
                if fault and fault.kind == "damage" and content:
                    content = bytes([content[0] ^ 255]) + content[1:]
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() != "content-length" or self.command == "HEAD":
                        self.send_header(name, value)
                if self.command != "HEAD" or "content-length" not in {name.lower() for name, _ in headers}:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault and fault.kind == "cut":
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815

        return Handler
