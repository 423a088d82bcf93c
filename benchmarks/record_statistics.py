"""Measured beside expected: masks, n-grams, sentence order and short sequences of pre-training records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.creation_run import manifest_in
from src.data.pretraining.reader import read_chunks
from src.data.pretraining.records import INPUT_MASK
from src.data.pretraining.statistics import PretrainStatistics


def expected_ngrams(longest: int, favor_shorter: bool) -> list[float]:
    """Return the chances of n-grams of 1 to ``longest`` words: proportional to 1/n, or the reverse."""
    weights = [1 / length for length in range(1, longest + 1)]
    if not favor_shorter:
        weights.reverse()
    return [weight / sum(weights) for weight in weights]


def mask_lines(statistics: PretrainStatistics) -> list[str]:
    """Return what became of the chosen tokens; one that is replaced by itself at random counts as kept."""
    other = statistics.masked - statistics.symbol - statistics.kept
    parts = (("[MASK]", statistics.symbol, 0.8), ("original", statistics.kept, 0.1), ("random token", other, 0.1))
    return [_line(f"chosen tokens, {name}", part, statistics.masked, expected) for name, part, expected in parts]


def ngram_lines(statistics: PretrainStatistics, settings: Mapping[str, object]) -> list[str]:
    """Return the lengths of the n-grams drawn."""
    chances = expected_ngrams(int(str(settings["ngram"])), bool(settings["favor_shorter_ngram"]))
    drawn = statistics.drawn_ngrams
    total = sum(drawn.values())
    return [
        _line(f"n-grams drawn, {length} words", drawn[str(length)], total, chance)
        for length, chance in enumerate(chances, start=1)
    ]


def order_lines(statistics: PretrainStatistics) -> list[str]:
    """Return the balance of the sentence-order task.

    Of the pieces that have both sides from one document half are swapped; a piece of one sentence always gets its
    second side from another document, which no setting decides.
    """
    orders, whole = statistics.orders, statistics.instances
    own = orders["in order"] + orders["swapped"]
    return [
        _line("pairs of one document, swapped", orders["swapped"], own, 0.5),
        _line("records, label 1 (swapped or from another document)", whole - orders["in order"], whole, None),
        _line("records, second side from another document", orders["random"], whole, None),
    ]


def length_lines(lengths: Sequence[int], longest: int) -> list[str]:
    """Return the shares of records that are not full."""
    short = [length for length in lengths if length < longest]
    half = [length for length in short if length <= longest // 2]
    return [
        _line(f"records of less than {longest} tokens", len(short), len(lengths), None),
        _line(f"records of at most {longest // 2} tokens", len(half), len(lengths), None),
    ]


def statistics_lines(folder: Path) -> list[str]:
    """Return the table for the records in a folder; lengths are counted in the files, the rest is in the manifest."""
    manifest = manifest_in(folder)
    statistics = PretrainStatistics.from_dict(manifest.statistics)
    lengths: list[int] = []
    for file in manifest.record_files:
        for chunk in read_chunks(folder / file.name):
            lengths += chunk[INPUT_MASK].sum(1).tolist()
    return [
        f"text       {statistics.documents:,} documents, {statistics.text_tokens:,} tokens",
        f"records    {statistics.instances:,} of up to {manifest.max_seq_length} tokens, {statistics.tokens:,} tokens, "
        f"{len(manifest.record_files)} files",
        "",
        f"{'':52}{'measured':>10}{'expected':>10}",
        *mask_lines(statistics),
        *ngram_lines(statistics, manifest.settings),
        *(order_lines(statistics) if not manifest.settings["random_next_sentence"] else []),
        *length_lines(lengths, manifest.max_seq_length),
    ]


def _line(name: str, part: int, whole: int, expected: float | None) -> str:
    wanted = "-" if expected is None else f"{100 * expected:.2f} %"
    return f"{name:52}{100 * part / max(whole, 1):>8.2f} %{wanted:>10}"
