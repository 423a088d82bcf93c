"""What docs/serving.md says of options and requests is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.common.arguments import OneLineParser
from src.serve.body import parse_body
from src.serve.openapi import openapi
from src.serve.options import add_serve
from src.serve.settings import ServeSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
OPTIONS = re.findall(r"^\| `--(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)


def test_limits_have_their_defaults() -> None:
    assert len(OPTIONS) == 10
    parser = OneLineParser()
    add_serve(parser.add_subparsers())
    options = vars(parser.parse(["serve", "--run_dir", "run"]))
    assert {name: float(value) for name, value in OPTIONS} == {name: float(options[name]) for name, _ in OPTIONS}


def test_requests_are_of_the_form_that_the_server_takes() -> None:
    bodies = re.findall(r"-d '(.*)'", PAGE)
    assert len(bodies) == 2
    for body in bodies:
        assert len(parse_body(body.encode(), "classify", ServeSettings()).records) == 2


@pytest.mark.parametrize("status", ["400", "408", "413", "415", "422", "500", "503", "504"])
def test_every_status_is_explained(status: str) -> None:
    assert f"\n| {status} | " in PAGE
    assert status in openapi("classify", ServeSettings())["paths"]["/v1/predict"]["post"]["responses"]
