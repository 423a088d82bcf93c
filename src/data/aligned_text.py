"""Text whose every character knows the piece of the original text that it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlignedText:
    """A rewritten text with, per character, the half-open span ``[start, end)`` of its source.

    Characters of one source (the three of a decomposed fraction) share its span. Starts and ends never decrease.

    Attributes:
        text: The rewritten text.
        starts: Per character of ``text``, first source position.
        ends: Per character of ``text``, the position after the last one.
    """

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Return the source span of ``text[begin:end]``, which must not be empty."""
        return self.starts[begin], self.ends[end - 1]

    def part(self, begin: int, end: int) -> AlignedText:
        """Return the characters ``begin`` to ``end`` with their spans."""
        return AlignedText(self.text[begin:end], self.starts[begin:end], self.ends[begin:end])

    def lower(self) -> AlignedText:
        """Lower-case as ``str.lower`` does, also where a character becomes two (``İ``).

        The whole text is lowered at once because a capital sigma depends on its neighbours.
        """
        lowered = self.text.lower()
        if len(lowered) == len(self.text):
            return AlignedText(lowered, self.starts, self.ends)
        origin = [index for index, char in enumerate(self.text) for _ in char.lower()]
        return AlignedText(lowered, [self.starts[i] for i in origin], [self.ends[i] for i in origin])
