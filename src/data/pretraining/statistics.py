"""Count what the records hold, so that a user sees whether they are what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from src.data.pretraining.instances import Instance


@dataclass
class PretrainStatistics:
    """Counts over instances; those of several shards may be added.

    Attributes:
        documents: Documents of the text (parts of long ones count one each), without those that have no tokens.
        sentences: Sentences of the text.
        text_tokens: Tokens of the text, before passes and without special tokens.
        instances: Records.
        tokens: Tokens of all records, special tokens included.
        masked: Places to predict by masking or permutation.
        symbol: Of these, places with ``[MASK]``.
        kept: Of these, places with the original token.
        orders: Records by the relation of their segments.
        drawn_ngrams: N-grams drawn, by length in words.
        masked_spans: Spans masked, by length in words; budget and overlaps favour short ones.
    """

    documents: int = 0
    sentences: int = 0
    text_tokens: int = 0
    instances: int = 0
    tokens: int = 0
    masked: int = 0
    symbol: int = 0
    kept: int = 0
    orders: Counter[str] = field(default_factory=Counter)
    drawn_ngrams: Counter[str] = field(default_factory=Counter)
    masked_spans: Counter[str] = field(default_factory=Counter)

    def count(self, instance: Instance, mask_id: int) -> None:
        """Add one instance."""
        masked = instance.masked
        self.instances += 1
        self.tokens += len(masked.ids)
        self.masked += len(masked.positions)
        for position, label in zip(masked.positions, masked.labels, strict=True):
            now = masked.ids[position]
            if now == mask_id:
                self.symbol += 1
            elif now == label:
                self.kept += 1
        self.orders[instance.order] += 1
        for length in masked.drawn_ngrams:
            self.drawn_ngrams[str(length)] += 1
        for length in masked.masked_spans:
            self.masked_spans[str(length)] += 1

    def add(self, other: PretrainStatistics) -> None:
        """Add the counts of another shard."""
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            setattr(self, item.name, mine + theirs)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PretrainStatistics:
        """Return the counts that ``as_dict`` gave."""
        values: dict[str, Any] = {
            name: Counter(value) if isinstance(value, Mapping) else value for name, value in content.items()
        }
        return cls(**values)

    def lines(self, max_seq_length: int) -> list[str]:
        """Return the lines that the command ends with."""
        rest = self.masked - self.symbol - self.kept
        mean = self.tokens / max(self.instances, 1)
        return [
            f"text       {self.documents:,} documents, {self.sentences:,} sentences, {self.text_tokens:,} tokens",
            f"records    {self.instances:,}, {self.tokens:,} tokens; mean length {mean:.1f} of {max_seq_length}",
            f"predicted  {_percent(self.masked, self.tokens)} of the tokens, "
            f"{self.masked / max(self.instances, 1):.1f} a record: "
            f"{_percent(self.symbol, self.masked)} [MASK], {_percent(self.kept, self.masked)} kept, "
            f"{_percent(rest, self.masked)} another token",
            f"n-grams    drawn {_shares(self.drawn_ngrams)}; masked {_shares(self.masked_spans)}",
            f"segments   {_percent(self.orders['in order'], self.instances)} in order (label 0), "
            f"{_percent(self.orders['swapped'], self.instances)} swapped (1), "
            f"{_percent(self.orders['random'], self.instances)} from another document (1)",
        ]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _shares(counts: Counter[str]) -> str:
    whole = sum(counts.values())
    return ", ".join(f"{length}: {_percent(counts[length], whole)}" for length in sorted(counts, key=int)) or "none"
