"""Repeat what failed for a reason that may pass, with growing pauses."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from src.common.errors import AlbertError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

ATTEMPTS = 5
# Seconds before the second attempt; each further pause is twice as long, up to the longest.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


class Passing(Exception):  # noqa: N818 (it is no error until the attempts are used up)
    """A failure that may pass; ``error`` is what the user is told when it does not."""

    def __init__(self, error: AlbertError) -> None:
        super().__init__(str(error))
        self.error = error


def with_retries(action: Callable[[], Result]) -> Result:
    """Return what ``action`` returns; repeat it where it raises ``Passing``.

    Raises:
        AlbertError: The last attempt failed too, or another error came.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except Passing as failure:
            if attempt == ATTEMPTS:
                # Without its cause: texts of libraries about requests can hold what is no business of a log.
                raise failure.error from None
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
            logger.info("attempt %d of %d failed, again in %.1f s: %s", attempt, ATTEMPTS, pause, failure.error)
            time.sleep(pause)
    raise AssertionError("unreachable")
