from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from src.serve.batching import Job, JobQueue
from src.serve.metrics import Metrics
from src.serve.model_thread import ModelThread
from src.serve.problems import RequestError
from src.serve.settings import ServeSettings
from tests.serve.fake_model import FakePredictor, loading


def answered(predictor: FakePredictor, *jobs: Job) -> ModelThread:
    """Let a model answer jobs that wait already when it starts, and end."""
    queue = JobQueue(16, 16, 0.0, 100)
    for job in jobs:
        queue.put(job)
    thread = ModelThread(loading(predictor), queue, ServeSettings(warm_up="none"), Metrics(), lambda: None)
    thread.start()
    thread.stop()
    return thread


def job(*texts: str) -> Job:
    return Job([{"text": text} for text in texts])


def test_a_batch_that_fails_is_halved_down_to_the_input_that_is_to_blame() -> None:
    predictor = FakePredictor()
    jobs = [job(f"good {number}") for number in range(7)] + [job("wrong")]
    answered(predictor, *jobs)
    assert [len(batch) for batch in predictor.batches] == [8, 4, 4, 2, 2, 1, 1]
    assert all(one.future.result()[0]["label"] == "good" for one in jobs[:7])
    with pytest.raises(RequestError) as caught:
        jobs[7].future.result()
    assert caught.value.status == 422


def test_a_job_with_a_bad_record_costs_no_batch() -> None:
    predictor = FakePredictor()
    bad, good = job("good", "unanswerable"), job("good")
    answered(predictor, bad, good)
    assert predictor.batches == [["good"]]
    with pytest.raises(RequestError):
        bad.future.result()
    assert good.future.result()


def test_answers_that_are_missing_are_no_answers() -> None:
    class Forgetful(FakePredictor):
        def predict(self, items: Sequence[dict[str, Any]], batch_size: int) -> Iterator[dict[str, Any]]:
            yield from list(super().predict(items, batch_size))[:-1]

    one = job("a")
    answered(Forgetful(), one)
    with pytest.raises(RequestError) as caught:
        one.future.result()
    assert caught.value.status == 500


def test_a_model_that_does_not_load_ends_the_thread() -> None:
    def load() -> Any:
        raise OSError("gone")

    ended: list[bool] = []
    queue = JobQueue(1, 1, 0.0, 1)
    thread = ModelThread(load, queue, ServeSettings(), Metrics(), lambda: ended.append(True))
    thread.start()
    thread.stop()
    assert ended == [True]
    assert isinstance(thread.error, OSError)
    assert not thread.ready
