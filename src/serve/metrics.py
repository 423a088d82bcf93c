"""Figures of the server in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator

# Requests that the quantiles are taken from.
_RECENT = 2048
QUANTILES = (0.5, 0.9, 0.99)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of ascending numbers: the smallest one that at least ``share`` of them do not exceed."""
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


class Metrics:
    """Counts; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._recent_s: deque[float] = deque(maxlen=_RECENT)
        self._answered_s = 0.0
        self._answered = 0
        self._batches = 0
        self._inputs = 0
        self._model_s = 0.0

    def request(self, path: str, status: int) -> None:
        """Count a request."""
        with self._lock:
            self._requests[path, status] += 1

    def answered(self, seconds: float) -> None:
        """Count a request that was answered, with the time from its first line to its answer in s."""
        with self._lock:
            self._recent_s.append(seconds)
            self._answered_s += seconds
            self._answered += 1

    def batch(self, inputs: int, seconds: float) -> None:
        """Count a batch and the time that the network took for it in s."""
        with self._lock:
            self._batches += 1
            self._inputs += inputs
            self._model_s += seconds

    def refused(self, reason: str) -> None:
        """Count a connection that was cut off before there was a whole request."""
        with self._lock:
            self._refused[reason] += 1

    def text(self, *, ready: bool, waiting: int) -> str:
        """Return all figures.

        Args:
            ready: Whether the model answers.
            waiting: Inputs in the queue.
        """
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines(ready, waiting))

    def _lines(self, ready: bool, waiting: int) -> Iterator[str]:
        yield from _head("albert_ready", "gauge", "Whether the model answers.")
        yield f"albert_ready {int(ready)}"
        yield from _head("albert_queue_inputs", "gauge", "Inputs that wait for the network.")
        yield f"albert_queue_inputs {waiting}"
        yield from _head("albert_requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'albert_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("albert_refused_connections_total", "counter", "Connections cut off without a request.")
        for reason, count in sorted(self._refused.items()):
            yield f'albert_refused_connections_total{{reason="{reason}"}} {count}'
        name = "albert_answer_seconds"
        yield from _head(name, "summary", f"Time to an answer; quantiles of the last {_RECENT} requests.")
        if ordered := sorted(self._recent_s):
            for share in QUANTILES:
                yield f'{name}{{quantile="{share}"}} {quantile(ordered, share):.6f}'
        yield f"{name}_sum {self._answered_s:.6f}"
        yield f"{name}_count {self._answered}"
        for name, value, text in (
            ("albert_batches_total", self._batches, "Batches given to the network."),
            ("albert_batch_inputs_total", self._inputs, "Inputs in these batches."),
            ("albert_model_seconds_total", f"{self._model_s:.6f}", "Time that the network took for them."),
        ):
            yield from _head(name, "counter", text)
            yield f"{name} {value}"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
