from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serve import made_up, main, measure, parse, table
from benchmarks.serve_clients import Target, alike
from src.common.errors import AlbertError, DeviceError
from tests.serve.conftest import start as start  # the fixture
from tests.serve.fake_model import FakePredictor
from tests.serve.running import Start


def test_good_clients_get_right_answers_among_bad_ones(start: Start) -> None:
    running = start(FakePredictor(seconds=0.005), read_timeout_s=0.8, max_body_bytes=20_000)
    figures = asyncio.run(measure(Target("127.0.0.1", running.client.port), clients=50, bad=2, seconds=3))
    assert {name: seen.wrong for name, seen in figures.items() if seen.wrong} == {}
    assert set(figures) == {"good", "bad JSON", "bad record", "huge body", "slow head", "slow body", "leaving"}
    assert all(sum(seen.seen.values()) >= 2 for seen in figures.values())
    assert figures["good"].seen[200] >= 100
    assert max(len(batch) for batch in running.predictor.batches) > 8, "requests did not share batches"
    lines = list(table(figures, 3.0))
    assert lines[1].split()[0] == "good"
    assert lines[1].endswith(f"200: {figures['good'].seen[200]}")


def test_a_wrong_answer_is_seen(start: Start) -> None:
    class Confused(FakePredictor):
        """Gives answers of one batch to the wrong inputs."""

        def predict(self, items: Any, batch_size: int) -> Any:
            return iter(list(super().predict(items, batch_size))[::-1])

    running = start(Confused(seconds=0.02))
    figures = asyncio.run(measure(Target("127.0.0.1", running.client.port), clients=8, bad=0, seconds=1))
    assert any("another answer than alone" in text for text in figures["good"].wrong)


def test_a_server_that_refuses_is_an_error(start: Start) -> None:
    predictor = FakePredictor()
    running = start(predictor, max_characters=3)
    with pytest.raises(DeviceError, match="the server answers 422"):
        asyncio.run(measure(Target("127.0.0.1", running.client.port), clients=1, bad=0, seconds=1))


def test_answers_are_compared_but_for_rounding() -> None:
    one = {"label": "a", "shares": [0.5, 0.25], "none": None, "place": 3}
    assert alike(one, {"label": "a", "shares": [0.50001, 0.25], "none": None, "place": 3})
    for other in ({"shares": [0.51, 0.25]}, {"shares": [0.5]}, {"label": "b"}, {"place": 4}, {"more": 1}):
        assert not alike(one, one | other)


def test_texts_are_of_mixed_lengths_and_the_same_for_a_seed() -> None:
    for command in ("classify", "qa", "ner", "fill-mask", "encode"):
        records = made_up(command, 128, False, 1)
        assert records == made_up(command, 128, False, 1) != made_up(command, 128, False, 2)
        sizes = {len(str(record).split()) for record in records}
        assert len(sizes) > 20, command
    assert all("text_b" in record for record in made_up("classify", 128, True, 1))


@pytest.mark.parametrize(
    "argv", [[], ["--url", "a", "--run_dir", "b"], ["--url", "a", "--clients", "0"], ["--url", "a", "--seconds", "0"]]
)
def test_wrong_options(argv: list[str]) -> None:
    with pytest.raises(AlbertError):
        parse(argv)


def test_what_is_no_address() -> None:
    with pytest.raises(AlbertError, match="--url: this is no http address"):
        main(["--url", "localhost:8000"])


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="this is not a run directory"):
        main(["--run_dir", str(tmp_path)])


def test_a_running_server_is_measured(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    running = start()
    assert main(["--url", running.server.address, "--clients", "2", "--bad", "0", "--seconds", "0.5"]) == 0
    assert capsys.readouterr().out.endswith("2 good clients, 0 wrong replies\n")
