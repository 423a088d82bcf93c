"""The command line of ``predict.py serve`` and what can be checked of it before anything large is loaded."""

from __future__ import annotations

import argparse
import math
from dataclasses import fields

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError
from src.predict.help_texts import COMMANDS
from src.predict.options import POOLINGS, add_answer_limits, add_source, check_source
from src.serve.settings import WARM_UPS, ServeSettings

SERVE = "serve"
SUMMARY = "answers over HTTP: a JSON API, and a page to try the model on"
EXAMPLES = """\
  python predict.py serve --run_dir runs/sst2
  python predict.py serve --model exported/sst2.mindir --port 8080 --batch_size 32
  python predict.py serve --run_dir runs/run_pretrain --as encode
"""
_DESCRIPTION = """\
Serve a run or an exported model until SIGTERM or Ctrl-C. Requests that come at the same time share batches.

  GET  /             page to try the model on
  POST /v1/predict   {"inputs": [{"text": "..."}, ...]} -> {"outputs": [...], "model": {...}, "time_ms": ...}
  GET  /v1/model     what is served
  GET  /healthz      200 while the server runs      GET /readyz   200 while the model answers
  GET  /metrics      figures for Prometheus         GET /openapi.json
"""
_LARGEST_PORT = 65535
# Numbers that must be above zero; the port is checked apart.
_POSITIVE = (
    "batch_size",
    "max_queue",
    "max_inputs",
    "max_body_bytes",
    "max_characters",
    "max_candidates",
    "timeout_s",
    "read_timeout_s",
    "max_connections",
)


def add_serve(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    """Add the command ``serve`` to those of ``predict.py``."""
    parser = commands.add_parser(
        SERVE,
        help=SUMMARY,
        description=_DESCRIPTION,
        epilog=f"examples:\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source(parser, "a training")
    own = ServeSettings()
    answers = parser.add_argument_group("the answers")
    help_text = "what to serve; default: what the network was trained for"
    answers.add_argument("--as", dest="serve_as", choices=tuple(COMMANDS), help=help_text)
    help_text = f"encode: how the vectors of a text's tokens become one (default: {POOLINGS[0]})"
    answers.add_argument("--pooling", choices=POOLINGS, help=help_text)
    # argparse's groups have the method that is needed, though they are no parsers.
    add_answer_limits(answers)  # type: ignore[arg-type]
    add = parser.add_argument_group("the server").add_argument
    add("--host", default=own.host, help=f"address to listen on (default: {own.host}, this machine only)")
    add("--port", type=int, default=own.port, help=f"port; 0 takes a free one (default: {own.port})")
    add("--batch_size", type=int, default=own.batch_size, help=f"most rows of a batch (default: {own.batch_size})")
    help_text = f"how long an input waits for others to share its batch, in ms (default: {own.max_wait_ms:g})"
    add("--max_wait_ms", type=float, default=own.max_wait_ms, help=help_text)
    help_text = f"shapes to compile at the start: all, the longest one, none (default: {own.warm_up})"
    add("--warm_up", choices=WARM_UPS, default=own.warm_up, help=help_text)
    add("--no_access_log", dest="access_log", action="store_false", help="no line in the log for each request")
    help_text = "log unexpected errors with their messages, which may hold texts of clients"
    add("--full_errors", action="store_true", help=help_text)
    _add_limits(parser, own)


def _add_limits(parser: OneLineParser, own: ServeSettings) -> None:
    add = parser.add_argument_group("limits").add_argument
    for name, what in (
        ("max_body_bytes", "bytes of a request's body"),
        ("max_inputs", "inputs of a request"),
        ("max_characters", "characters of an input"),
        ("max_candidates", "candidates for a mask, or answers to a question, that a request may ask for"),
        ("max_queue", "inputs that wait for the network; more are refused with 503"),
        ("max_connections", "open connections"),
    ):
        value = getattr(own, name)
        add(f"--{name}", type=int, default=value, help=f"most {what} (default: {value})")
    help_text = f"how long a request waits for its answers, in s (default: {own.timeout_s:g})"
    add("--timeout_s", type=float, default=own.timeout_s, help=help_text)
    help_text = f"how long a client may take to send a request, or to take its answer, in s ({own.read_timeout_s:g})"
    add("--read_timeout_s", type=float, default=own.read_timeout_s, help=help_text)


def settings_of(options: argparse.Namespace) -> ServeSettings:
    """Return the settings of the server.

    Raises:
        ConfigError: An option has a value that cannot be.
    """
    check_source(options)
    settings = ServeSettings(**{field.name: getattr(options, field.name) for field in fields(ServeSettings)})
    for name in _POSITIVE:
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"must be above 0, not {value}", f"--{name}", "give more")
    if not (math.isfinite(settings.max_wait_ms) and settings.max_wait_ms >= 0):
        raise ConfigError(f"must be 0 or more, not {settings.max_wait_ms}", "--max_wait_ms", "correct it")
    if settings.max_queue < settings.max_inputs:
        what = f"a request may have {settings.max_inputs} inputs (--max_inputs), and only {settings.max_queue} may wait"
        raise ConfigError(what, "--max_queue", "give it no less than --max_inputs")
    if not 0 <= settings.port <= _LARGEST_PORT:
        raise ConfigError(f"{settings.port} is no port", "--port", f"give a number from 0 to {_LARGEST_PORT}")
    return settings
