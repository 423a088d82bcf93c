"""Listen, answer, and stop in good order."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Iterator

import uvicorn

from src.common.errors import ConfigError
from src.serve.app import Api
from src.serve.batching import JobQueue
from src.serve.connections import guarded_protocol
from src.serve.metrics import Metrics
from src.serve.model_thread import ModelThread
from src.serve.served import Load
from src.serve.settings import ServeSettings

logger = logging.getLogger(__name__)

# More than enough for the headers of browsers and programs.
_MAX_HEAD_BYTES = 16 << 10
_BACKLOG = 512
# Of many inputs the predictor makes batches of equal lengths, of few it fills batches up with padding.
_BATCHES_AT_A_TIME = 4
_KEEP_ALIVE_S = 15


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own handling of signals: it would end the process by the signal, not with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class PredictionServer:
    """A server on an address that it holds from the beginning.

    Args:
        load: See ``Load``.
        settings: How to serve.

    Attributes:
        port: The port that was taken.
        metrics: Counts.
        queue: Inputs that wait.
        model: The thread that answers them.

    Raises:
        ConfigError: The address cannot be had.
    """

    def __init__(self, load: Load, settings: ServeSettings) -> None:
        self._settings = settings
        self._socket = _listen(settings.host, settings.port)
        self._host, self.port = self._socket.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self.metrics = Metrics()
        size = settings.batch_size
        self.queue = JobQueue(size, _BATCHES_AT_A_TIME * size, settings.max_wait_ms / 1000, settings.max_queue)
        self.model = ModelThread(load, self.queue, settings, self.metrics, self.stop)
        api = Api(self.queue, self.model, settings, self.metrics)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                api.application(),
                http=guarded_protocol(settings, self.metrics),
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                timeout_keep_alive=_KEEP_ALIVE_S,
                # What runs may take its time, but no longer than a client would wait.
                timeout_graceful_shutdown=max(1, round(settings.timeout_s)),
            )
        )

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}/"

    def run(self) -> None:
        """Serve until a signal or ``stop``; everything that runs is finished.

        Raises:
            AlbertError: The model cannot be loaded.
        """
        logger.info("listening on %s", self.address)
        if not ipaddress.ip_address(self._host.partition("%")[0]).is_loopback:
            logger.warning("there is no authentication: everyone who reaches %s can use the model", self.address)
        try:
            asyncio.run(self._serve())
        finally:
            self._socket.close()
        if self.model.error is not None:
            raise self.model.error
        logger.info("stopped")

    def stop(self) -> None:
        """Finish what runs and end; may be called from any thread."""
        with contextlib.suppress(RuntimeError):
            # The loop has ended already: there is nothing to stop.
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._on_signal)
        self.model.start()
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            # In a thread, so that a second signal is still heard.
            await asyncio.to_thread(self.model.stop)

    def _on_signal(self) -> None:
        # Which signal it was is not told: MindSpore turns Ctrl-C into SIGTERM.
        if self._uvicorn.should_exit:
            logger.info("asked to stop again: not waiting for clients")
            self._uvicorn.force_exit = True
        else:
            logger.info("asked to stop: finishing what runs")
            self._end()

    def _end(self) -> None:
        self._uvicorn.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"there is no address {host!r}", "--host", "use 127.0.0.1, or 0.0.0.0 for all") from error
    listener = socket.socket(family, kind, protocol)
    try:
        # A server that has just ended leaves the port in use for a minute otherwise.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        what = f"cannot listen on {host}:{port}: {error.strerror}"
        raise ConfigError(what, "--port", "choose another --port, or another --host") from error
    return listener
