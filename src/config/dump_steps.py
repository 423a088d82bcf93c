"""The updates that a data dump takes, as the documented option writes them: ``10``, ``0|5-8``."""

from __future__ import annotations

import re

# Every update is gigabytes for a network of base size.
MOST_DUMPED_UPDATES = 100


def read_dump_steps(text: str) -> tuple[int, ...]:
    """Return the numbers of the updates, ascending, each once.

    Raises:
        ValueError: The text is no such list, or names too many updates.
    """
    steps: set[int] = set()
    for part in text.replace(" ", "").split("|"):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
        if match is None:
            raise ValueError("expected numbers of updates, such as 10 or 0|5-8")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{part} ends before it begins")
        if last - first >= MOST_DUMPED_UPDATES:
            raise ValueError(f"{part} names more than {MOST_DUMPED_UPDATES} updates")
        steps.update(range(first, last + 1))
    if len(steps) > MOST_DUMPED_UPDATES:
        raise ValueError(f"names {len(steps)} updates, and at most {MOST_DUMPED_UPDATES} are dumped")
    return tuple(sorted(steps))
