from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.common.arguments import OneLineParser
from src.common.errors import AlbertError
from src.serve.answers import JsonResponse, trimmed
from src.serve.body import CANDIDATES
from src.serve.metrics import Metrics, quantile
from src.serve.openapi import openapi
from src.serve.options import add_serve, settings_of
from src.serve.served import ServedModel
from src.serve.settings import ServeSettings
from src.serve.warm_up import sample, shapes, warm_up
from tests.serve.fake_model import FakePredictor
from tests.serve.running import Start

ROOT = Path(__file__).resolve().parents[2]


def parsed(*argv: object) -> argparse.Namespace:
    parser = OneLineParser(prog="predict.py")
    add_serve(parser.add_subparsers(dest="command", required=True))
    return parser.parse(["serve", *map(str, argv)])


def test_options_are_settings() -> None:
    assert settings_of(parsed("--run_dir", "run")) == ServeSettings()
    argv = [
        "--model",
        "a.mindir",
        "--host",
        "::1",
        "--port",
        0,
        "--max_wait_ms",
        0,
        "--no_access_log",
        "--warm_up",
        "one",
    ]
    expected = ServeSettings(host="::1", port=0, max_wait_ms=0, access_log=False, warm_up="one")
    assert settings_of(parsed(*argv)) == expected
    assert parsed("--run_dir", "run", "--as", "encode").serve_as == "encode"


BAD_OPTIONS: dict[str, tuple[list[object], str]] = {
    "port": (["--port", 70000], "--port: 70000 is no port"),
    "negative port": (["--port", -1], "--port: -1 is no port"),
    "no batch": (["--batch_size", 0], "--batch_size: must be at least 1"),
    "no queue": (["--max_queue", 0], "--max_queue: must be above 0, not 0"),
    "short queue": (["--max_queue", 63], "--max_queue: a request may have 64 inputs .--max_inputs., and only 63 may"),
    "endless": (["--timeout_s", "inf"], "--timeout_s: must be above 0, not inf"),
    "backwards": (["--max_wait_ms", -1], "--max_wait_ms: must be 0 or more"),
    "no time": (["--read_timeout_s", 0], "--read_timeout_s: must be above 0"),
    "checkpoint of a model": (["--model", "b", "--checkpoint", "c"], "--run_dir"),
    "typo": (["--prot", 8000], "did you mean --port"),
    "unknown task": (["--as", "chat"], "--as"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(name: str) -> None:
    argv, message = BAD_OPTIONS[name]
    with pytest.raises(AlbertError, match=message):
        settings_of(parsed("--run_dir", "run", *argv))


def test_help_and_wrong_options_load_neither_mindspore_nor_a_server() -> None:
    code = (
        "import sys\nfrom src.common.arguments import OneLineParser\nfrom src.serve.options import add_serve\n"
        "import src.serve.command\n"
        "parser = OneLineParser(prog='a')\nadd_serve(parser.add_subparsers())\n"
        "try:\n    parser.parse(['serve', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('mindspore', 'uvicorn', 'starlette') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert process.stdout.splitlines()[-1] == "[]", process.stderr


def test_samples_fill_their_bucket() -> None:
    for command in ("classify", "encode", "qa", "ner", "fill-mask"):
        record = sample(ServedModel(command, "any", "model"), 32)
        words = " ".join(word if isinstance(word, str) else " ".join(word) for word in record.values()).split()
        assert 28 <= len(words) <= 30, command
    assert "text_b" in sample(ServedModel("classify", "any", "model", pairs=True), 32)


def test_shapes_to_warm_up() -> None:
    model = ServedModel("classify", "any", "model", length=64, buckets=(64, 32))
    assert shapes(model, 6, "all") == [(length, size) for size in (1, 2, 4, 6) for length in (32, 64)]
    assert shapes(model, 6, "one") == [(64, 1)]
    assert shapes(model, 6, "none") == []
    fixed = ServedModel("classify", "any", "model", length=64, buckets=(64,), rows=8)
    assert shapes(fixed, 16, "all") == [(64, 1)]


def test_warm_up_runs_every_shape_and_stops_when_told() -> None:
    predictor = FakePredictor()
    warm_up(predictor, predictor.model, 4, "all", lambda: False)
    assert [(len(batch), len(batch[0].split())) for batch in predictor.batches] == [
        (size, words) for size in (1, 2, 4) for words in (4, 28)
    ]
    warm_up(predictor, predictor.model, 4, "all", lambda: len(predictor.batches) >= 8)
    assert len(predictor.batches) == 8


def test_a_sample_that_cannot_be_answered_is_no_reason_to_stay_down(caplog: pytest.LogCaptureFixture) -> None:
    predictor = FakePredictor()
    wrong = ServedModel("ner", "any", "model")
    warm_up(predictor, wrong, 1, "one", lambda: False)
    assert "no warm-up for 128 tokens: warm-up: the key 'text' is missing" in caplog.text


def test_quantiles_are_numbers_that_occurred() -> None:
    assert [quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.25, 0.5, 0.51, 0.99, 1.0)] == [1, 2, 3, 4, 4]
    assert quantile([7.0], 0.01) == 7


def test_figures_for_prometheus() -> None:
    metrics = Metrics()
    for seconds in (0.1, 0.2, 0.4):
        metrics.request("/v1/predict", 200)
        metrics.answered(seconds)
    metrics.batch(3, 0.25)
    metrics.refused("slow")
    lines = metrics.text(ready=True, waiting=5).splitlines()
    for line in (
        "albert_ready 1",
        "albert_queue_inputs 5",
        'albert_requests_total{path="/v1/predict",status="200"} 3',
        'albert_refused_connections_total{reason="slow"} 1',
        'albert_answer_seconds{quantile="0.5"} 0.200000',
        'albert_answer_seconds{quantile="0.99"} 0.400000',
        "albert_answer_seconds_sum 0.700000",
        "albert_answer_seconds_count 3",
        "albert_batches_total 1",
        "albert_batch_inputs_total 3",
        "albert_model_seconds_total 0.250000",
    ):
        assert line in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        name = line.partition("{")[0].partition(" ")[0]
        assert line.startswith("#") or name in named or name.rpartition("_")[0] in named


@pytest.mark.parametrize("command", ["classify", "encode", "qa", "ner", "fill-mask"])
def test_the_description_names_every_path_and_field(start: Start, command: str) -> None:
    client = start(FakePredictor(ServedModel(command, "any", "model")), max_inputs=7).client
    content = client.get("/openapi.json").json
    for path, methods in content["paths"].items():
        for method in methods:
            assert client.request(method.upper(), path).status in (200, 415), path
    schema = content["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["inputs"]["maxItems"] == 7
    known = {"inputs", CANDIDATES[command][0]} if command in CANDIDATES else {"inputs"}
    assert set(schema["properties"]) == known
    record = schema["properties"]["inputs"]["items"]["properties"]
    assert set(sample(ServedModel(command, "any", "model", pairs=True), 8)) <= set(record)


def test_references_of_the_description_lead_somewhere() -> None:
    content: dict[str, Any] = openapi("qa", ServeSettings())
    for reference in set(json.dumps(content).split('"$ref": "')[1:]):
        place: Any = content
        for part in reference.partition('"')[0].removeprefix("#/").split("/"):
            place = place[part]


def test_trimmed_answers() -> None:
    assert trimmed("qa", {"answer": "a", "answers": [1, 2, 3]}, 2) == {"answer": "a", "answers": [1, 2]}
    assert trimmed("fill-mask", {"masks": [[1, 2], [3, 4]]}, 1) == {"masks": [[1], [3]]}
    assert trimmed("classify", {"label": "a"}, 1) == {"label": "a"}


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        JsonResponse({"score": float("nan")})
