"""Load the server with good clients of mixed lengths while others misbehave, and check every good answer.

``python -m benchmarks.serve --run_dir runs/sst2 --clients 50 --seconds 30``

Each text is first asked for alone. What the server answers under load must be the same but for rounding.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, load_text, machine_lines
from benchmarks.serve_clients import (
    Figures,
    Target,
    bad_client,
    body_of,
    exchange,
    good_client,
    head,
    leaving_client,
    slow_client,
)
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError, DeviceError

_WORDS = ("film", "was", "good", "bad", "warm", "funny", "dull", "but", "very", "plot", "actors", "in", "Rome", "jokes")
_TEXTS = 40
_READY_S = 600
_GOOD = "good"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.serve", description=__doc__.partition("\n")[0])
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--run_dir", type=Path, help="run to serve on a free port, with the options behind --")
    one.add_argument("--url", help="a server that runs already, for example http://127.0.0.1:8000")
    add = parser.add_argument
    add("--clients", type=int, default=50, help="good clients at the same time (default: 50)")
    add("--bad", type=int, default=4, help="clients of each bad kind at the same time (default: 4)")
    add("--seconds", type=float, default=30.0, help="how long (default: 30)")
    add("--seed", type=int, default=1, help="decides the texts (default: 1)")
    add("serve_options", nargs="*", metavar="-- OPTION", help="more options for predict.py serve")
    options = parser.parse(argv)
    for name, least in (("clients", 1), ("bad", 0), ("seconds", 0.1)):
        if getattr(options, name) < least:
            raise ConfigError(f"must be at least {least}", f"--{name}", "give more")
    return options


def made_up(command: str, length: int, pairs: bool, seed: int) -> list[dict[str, Any]]:
    """Return records of mixed lengths for a model.

    Args:
        command: What it does.
        length: Most tokens that it sees; the longest texts have about as many words.
        pairs: Whether it wants pairs of texts.
        seed: Decides the words.
    """
    generator = random.Random(seed)
    records: list[dict[str, Any]] = []
    for number in range(_TEXTS):
        size = max(1, round((length - 8) * (number + 1) / _TEXTS / 2))
        text = " ".join(generator.choices(_WORDS, k=size))
        if command == "qa":
            records.append({"question": f"what was {generator.choice(_WORDS)}?", "context": text})
        elif command == "fill-mask":
            records.append({"text": f"{text} [MASK]"})
        else:
            records.append({"text": text, **({"text_b": "good film"} if pairs else {})})
    return records


async def measure(target: Target, clients: int, bad: int, seconds: float, seed: int = 1) -> dict[str, Figures]:
    """Run all clients against a server and return what they have seen, by kind.

    Args:
        target: The server; ready.
        clients: Good clients.
        bad: Clients of each bad kind.
        seconds: How long, in s.
        seed: Decides the texts.

    Raises:
        DeviceError: The server does not answer even a single request.
    """
    async with target.connection() as streams:
        model = json.loads((await exchange(streams, b"", "GET", "/v1/model"))[1])
        records = made_up(model["command"], model["length"], model["pairs"] is True, seed)
        requests = []
        for record in records:
            status, content = await exchange(streams, body_of([record]))
            if status != 200:
                raise DeviceError(f"the server answers {status}", content.decode(), "look into its log")
            requests.append((body_of([record]), json.loads(content)["outputs"]))
    target = Target(target.host, target.port, time.monotonic() + seconds)
    most = model["limits"]["max_body_bytes"]
    figures: dict[str, Figures] = {}

    def kind(name: str) -> Figures:
        return figures.setdefault(name, Figures(name))

    shifts = [number * len(requests) // clients for number in range(clients)]
    tasks = [good_client(target, requests[shift:] + requests[:shift], kind(_GOOD)) for shift in shifts]
    whole = head(100) + body_of([records[0]])
    for _ in range(bad):
        tasks += [
            bad_client(target, b'{"inputs": [', 400, kind("bad JSON")),
            bad_client(target, body_of([{"text": 7}]), 422, kind("bad record")),
            bad_client(target, b" " * (2 * most), 413, kind("huge body")),
            slow_client(target, whole, 1, kind("slow head")),
            slow_client(target, head(10_000) + b" " * 10_000, len(head(10_000)), kind("slow body")),
            leaving_client(target, requests[-1][0], kind("leaving")),
        ]
    await asyncio.gather(*tasks)
    return figures


def quantile_ms(seconds: Sequence[float], share: float) -> str:
    """Return a quantile in ms."""
    ordered = sorted(seconds)
    return f"{1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.0f}" if ordered else "-"


def table(figures: dict[str, Figures], seconds: float) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'clients':<12}{'requests':>9}{'per s':>8}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}{'wrong':>7}  replies"
    for name, seen in figures.items():
        total = sum(seen.seen.values())
        quantiles = "".join(f"{quantile_ms(seen.seconds, share):>8}" for share in (0.5, 0.9, 0.99))
        replies = ", ".join(f"{status or 'closed'}: {count}" for status, count in sorted(seen.seen.items()))
        yield f"{name:<12}{total:>9}{total / seconds:>8.1f}{quantiles}{len(seen.wrong):>7}  {replies}"


@contextlib.contextmanager
def _server(options: argparse.Namespace) -> Iterator[Target]:
    """Give a server that is ready."""
    if options.url:
        parts = urllib.parse.urlsplit(options.url)
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigError("this is no http address", "--url", "give http://HOST:PORT")
        yield Target(parts.hostname, parts.port or 80)
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "predict.py", "serve", "--run_dir", str(options.run_dir.resolve()), "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--no_access_log", *options.serve_options], cwd=ROOT, stderr=log, stdout=log
        )
        try:
            target = Target("127.0.0.1", port)
            _wait_until_ready(target, process)
            yield target
        except DeviceError as error:
            log.seek(0)
            raise DeviceError(error.what, log.read().decode(errors="replace")[-2000:], error.fix) from error
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(target: Target, process: subprocess.Popen[bytes]) -> None:
    async def status() -> int:
        async with target.connection() as streams:
            return (await exchange(streams, b"", "GET", "/readyz"))[0]

    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            if asyncio.run(status()) == 200:
                return
        time.sleep(0.2)
    raise DeviceError("the server did not become ready", "", "start it by hand and look at what it says")


def main(argv: Sequence[str]) -> int:
    """Run the clients and print the table; return 1 where a reply is not as it should be."""
    options = parse(argv)
    print("\n".join(machine_lines(("mindspore", "starlette", "uvicorn"))))
    with _server(options) as target:
        figures = asyncio.run(measure(target, options.clients, options.bad, options.seconds, options.seed))
    print(f"load       {load_text()} at the end\n")
    print("\n".join(table(figures, options.seconds)))
    wrong = [f"{name}: {text}" for name, seen in figures.items() for text in seen.wrong]
    print("\n".join(["", *wrong[:10], f"{options.clients} good clients, {len(wrong)} wrong replies"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
