from __future__ import annotations

import threading
import time

import pytest

from src.serve.batching import Job, JobQueue
from src.serve.problems import RequestError


def job(*texts: str) -> Job:
    return Job([{"text": text} for text in texts])


def taken(queue: JobQueue) -> list[object]:
    batch = queue.take()
    assert batch is not None
    return [place.job.records[place.index]["text"] for place in batch]


def test_every_job_gives_one_input_in_turn() -> None:
    queue = JobQueue(4, 4, 0.0, 100)
    for one in (job("a1", "a2", "a3", "a4", "a5"), job("b1"), job("c1", "c2")):
        queue.put(one)
    assert taken(queue) == ["a1", "b1", "c1", "a2"]
    assert taken(queue) == ["c2", "a3", "a4", "a5"]
    assert len(queue) == 0


def test_answers_come_together_in_the_order_of_the_inputs() -> None:
    one = job("a", "b")
    one.answer(1, {"text": "b"})
    assert not one.over
    one.answer(0, {"text": "a"})
    assert one.future.result() == [{"text": "a"}, {"text": "b"}]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    queue = JobQueue(4, 4, 0.0, 3)
    queue.put(job("a", "b"))
    queue.measured(1, 2.0)
    with pytest.raises(RequestError, match="2 inputs wait already, and 3 may") as caught:
        queue.put(job("c", "d"))
    assert caught.value.status == 503
    assert caught.value.headers == {"Retry-After": "4"}
    queue.put(job("c"))
    assert len(queue) == 3


def test_a_job_that_is_larger_than_the_queue_waits_for_an_empty_one() -> None:
    queue = JobQueue(4, 4, 0.0, 1)
    queue.put(job("a", "b", "c"))
    with pytest.raises(RequestError):
        queue.put(job("d"))
    taken(queue)
    queue.put(job("d"))


def test_discarded_and_given_up_jobs_leave_their_place() -> None:
    queue = JobQueue(2, 2, 0.0, 4)
    gone, cancelled, stays = job("a", "b"), job("c"), job("d")
    for one in (gone, cancelled, stays):
        queue.put(one)
    queue.discard(gone)
    queue.discard(gone)
    assert cancelled.future.cancel()
    assert taken(queue) == ["d"]
    assert len(queue) == 0


def test_more_than_enough_is_given_out_at_a_time_but_not_waited_for() -> None:
    queue = JobQueue(2, 3, 10.0, 100)
    queue.put(job("a", "b", "c", "d"))
    assert taken(queue) == ["a", "b", "c"]
    queue.put(job("e"))
    assert taken(queue) == ["d", "e"]


def test_the_first_input_waits_for_others_but_not_for_long() -> None:
    # The wait is far longer than any machine takes to come here.
    queue = JobQueue(2, 2, 60.0, 10)
    queue.put(job("a"))
    later = threading.Timer(0.05, queue.put, [job("b")])
    start = time.monotonic()
    later.start()
    assert taken(queue) == ["a", "b"]
    assert time.monotonic() - start < 50, "a full batch waited"
    queue = JobQueue(2, 2, 0.3, 10)
    queue.put(job("c"))
    start = time.monotonic()
    assert taken(queue) == ["c"]
    assert time.monotonic() - start >= 0.25


def test_a_closed_queue_gives_out_the_rest_and_takes_no_more() -> None:
    queue = JobQueue(1, 1, 10.0, 10)
    queue.put(job("a", "b"))
    queue.close()
    with pytest.raises(RequestError, match="stops"):
        queue.put(job("c"))
    assert taken(queue) + taken(queue) == ["a", "b"]
    assert queue.take() is None


def test_closing_wakes_who_waits() -> None:
    queue = JobQueue(1, 1, 0.0, 10)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(queue.take()))
    thread.start()
    queue.close()
    thread.join(10)
    assert found == [None]


def test_an_answer_to_a_client_that_has_gone_is_dropped() -> None:
    one = job("a")
    one.future.cancel()
    one.answer(0, {})
    one.fail(RequestError(500, "late"))
    assert one.future.cancelled()
