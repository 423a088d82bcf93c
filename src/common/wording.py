"""Words of messages that depend on a number."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 text``, ``2 texts``: a number with its noun.

    Args:
        number: How many.
        one: The noun, or any words, for one.
        many: The same for another number; empty puts an s behind ``one``.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
