"""The routes of the server."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.serve.answers import DrainingResponse, JsonResponse, trimmed
from src.serve.batching import Job, JobQueue
from src.serve.body import DRAINED_BYTES, parse_body, read_body
from src.serve.metrics import CONTENT_TYPE, Metrics
from src.serve.model_thread import ModelThread, log_unexpected
from src.serve.openapi import openapi
from src.serve.problems import LATER, RequestError, unexpected
from src.serve.settings import ServeSettings

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).with_name("page")
_PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# The page needs its own script, style, icon and API, and nothing else of the world.
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ENCODED_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
# Asked every few seconds by what watches over the server: no line in the log for each.
_PROBES = ("/healthz", "/readyz", "/metrics")
# Of nginx: the client went away before there was an answer.
_CLIENT_CLOSED = 499


class Api:
    """What the server does with requests.

    Args:
        queue: Takes the inputs.
        model: Answers them.
        settings: Limits.
        metrics: Where requests are counted.
    """

    def __init__(self, queue: JobQueue, model: ModelThread, settings: ServeSettings, metrics: Metrics) -> None:
        self._queue = queue
        self._model = model
        self._settings = settings
        self._metrics = metrics

    def application(self) -> ASGIApp:
        """Return the application."""
        routes = [
            Route("/v1/predict", self.predict, methods=["POST"]),
            Route("/v1/model", self.model),
            Route("/healthz", self.health),
            Route("/readyz", self.readiness),
            Route("/metrics", self.figures),
            Route("/openapi.json", self.description),
            *(Route(path, _page(*found)) for path, found in _PAGE_FILES.items()),
        ]
        handlers: dict[Any, Any] = {RequestError: self._problem, HTTPException: _http_error, ClientDisconnect: _gone}
        handlers[Exception] = _fault
        app = Starlette(routes=routes, exception_handlers=handlers)
        # It would lead to an address that the client's own Host header names.
        app.router.redirect_slashes = False
        return Outside(app, frozenset(route.path for route in routes), self._settings, self._metrics)

    async def predict(self, request: Request) -> Response:
        """Answer inputs."""
        start = time.perf_counter()
        body = await read_body(request, self._settings)
        model = self._model.model
        if model is None or not self._model.ready:
            raise RequestError(503, "the model is not ready", "", LATER, retry_after_s=1)
        query = parse_body(body, model.command, self._settings)
        job = Job(query.records)
        request.scope["inputs"] = len(query.records)
        self._queue.put(job)
        answers = await self._answers(request, job)
        taken = time.perf_counter() - start
        self._metrics.answered(taken)
        outputs = [trimmed(model.command, answer, query.candidates) for answer in answers]
        return JsonResponse({"outputs": outputs, "model": model.short(), "time_ms": round(taken * 1000, 3)})

    async def _answers(self, request: Request, job: Job) -> list[dict[str, Any]]:
        """Wait for the answers, no longer than they are wanted."""
        answered = asyncio.wrap_future(job.future)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            either: set[asyncio.Future[Any]] = {answered, gone}
            await asyncio.wait(either, timeout=self._settings.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                return answered.result()
            if gone.done():
                raise ClientDisconnect
            what = f"there was no answer within {self._settings.timeout_s:g} s"
            raise RequestError(504, what, "", "send fewer or shorter inputs, or try again later")
        finally:
            gone.cancel()
            if not answered.done():
                answered.cancel()
                self._queue.discard(job)

    async def model(self, request: Request) -> Response:
        """Tell what is served."""
        if self._model.model is None:
            raise RequestError(503, "the model is not loaded yet", "", LATER, retry_after_s=1)
        settings = self._settings
        names = ("max_inputs", "max_body_bytes", "max_characters", "max_candidates")
        limits = {name: getattr(settings, name) for name in names}
        return JsonResponse(self._model.model.as_json() | {"limits": limits, "notes": self._model.notes()})

    async def health(self, request: Request) -> Response:
        """Tell that the server runs."""
        return JsonResponse({"status": "alive"})

    async def readiness(self, request: Request) -> Response:
        """Tell whether the model answers."""
        if not self._model.ready:
            raise RequestError(503, "the model is not ready", "", LATER, retry_after_s=1)
        return JsonResponse({"status": "ready"})

    async def figures(self, request: Request) -> Response:
        """Give the figures for Prometheus."""
        text = self._metrics.text(ready=self._model.ready, waiting=len(self._queue))
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def description(self, request: Request) -> Response:
        """Describe the API."""
        if self._model.model is None:
            raise RequestError(503, "the model is not loaded yet", "", LATER, retry_after_s=1)
        return JsonResponse(openapi(self._model.model.command, self._settings))

    async def _problem(self, request: Request, problem: RequestError) -> Response:
        # Who has asked whether it may send the body does not send it now.
        if problem.drains and "expect" not in request.headers:
            seconds = self._settings.read_timeout_s
            return DrainingResponse(_content(problem), problem.status, problem.headers, DRAINED_BYTES, seconds)
        return _refusal(problem)


def _page(name: str, media_type: str) -> Any:
    """Return the endpoint of a file of the page."""
    content = (_PAGE / name).read_bytes()

    async def file(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return file


async def _disconnected(request: Request) -> None:
    """Return when the client goes."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(problem: RequestError) -> Response:
    return JsonResponse(_content(problem), status_code=problem.status, headers=problem.headers)


def _content(problem: RequestError) -> dict[str, Any]:
    return {"error": problem.content}


async def _http_error(request: Request, error: HTTPException) -> Response:
    what, fix = {
        404: ("there is no such path", "GET /openapi.json lists what there is"),
        405: ("the path is not for this method", f"use {(error.headers or {}).get('Allow', 'another one')}"),
    }.get(error.status_code, (error.detail, ""))
    content = {"what": what, "where": f"{request.method} {request.url.path}"[:80], "fix": fix}
    return JsonResponse({"error": content}, status_code=error.status_code, headers=error.headers)


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=_CLIENT_CLOSED)


async def _fault(request: Request, error: Exception) -> Response:
    return _refusal(unexpected())


def _has_two_lengths(scope: Scope) -> bool:
    """Tell whether a body has a length and comes in chunks: a proxy may see another end of it than we do."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


def _two_lengths() -> RequestError:
    what, fix = "the body has a length and comes in chunks", "send one of both headers"
    return RequestError(400, what, "Content-Length, Transfer-Encoding", fix, headers={"Connection": "close"})


class Outside:
    """What happens around every request: a line in the log, figures, headers, and no traceback for the client.

    Args:
        app: The application.
        paths: The paths that it knows; others may hold anything and are not logged.
        settings: Whether and what to log.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, paths: frozenset[str], settings: ServeSettings, metrics: Metrics) -> None:
        self._app = app
        self._paths = paths
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_ENCODED_HEADERS]
            await send(message)

        try:
            app = _refusal(_two_lengths()) if _has_two_lengths(scope) else self._app
            await app(scope, receive, send_with_headers)
        except Exception as error:
            # The client has been answered already; starlette hands the error on so that it is logged.
            log_unexpected(error, self._settings.full_errors)
        finally:
            self._record(scope, status, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, taken: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.request(path, status)
        if self._settings.access_log and path not in _PROBES:
            inputs = f" {scope['inputs']} inputs" if "inputs" in scope else ""
            method = scope["method"] if scope["method"].isalpha() else "?"
            logger.info("%s %s %d%s %.1f ms", method[:10], path, status, inputs, taken * 1000)
