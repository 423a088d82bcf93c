"""Tell the user what came out of a SQuAD conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.data.convert_report import aligned
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures
from src.data.squad_manifest import describe_features

_SHOWN_SKIPPED = 5


@dataclass(frozen=True)
class SquadResult:
    """What became of one file.

    Attributes:
        split: ``train`` or ``dev``.
        data: Its content.
        features: Its windows.
        skipped_list: The file that lists the skipped questions; ``None`` where there are none.
    """

    split: str
    data: SquadFile
    features: SquadFeatures
    skipped_list: Path | None = None


def summary_lines(results: Sequence[SquadResult]) -> list[str]:
    """Return the table of all files, and below it what the user should know."""
    table: list[tuple[str, ...]] = [
        ("split", "questions", "skipped", "windows", "mean", "95 %", "longest", "windows without answer")
    ]
    table += [_row(result) for result in results]
    lines = aligned(table)
    for result in results:
        lines.extend(_notes(result))
    return lines


def _row(result: SquadResult) -> tuple[str, ...]:
    features, lengths = result.features, result.features.lengths
    high = int(np.percentile(lengths, 95, method="higher"))
    numbers = (len(result.data.questions), len(features.skipped), features.rows)
    shape = (f"{lengths.mean():.1f}", str(high), str(lengths.max()))
    without = "not asked"
    if result.split == "train":
        count = int(features.is_impossible.sum())
        without = f"{count} ({100 * count / features.rows:.1f} %)"
    return (result.split, *map(str, numbers), *shape, without)


def _notes(result: SquadResult) -> list[str]:
    features, notes = result.features, []
    if features.cut_questions:
        longest = features.settings.max_query_length
        notes.append(f"{result.split}: questions cut to --max_query_length {longest}: {features.cut_questions}")
    if result.split != "train":
        return notes
    info = describe_features(result.data, features)
    if info.impossible_questions:
        notes.append(f"train: questions without answer (is_impossible): {info.impossible_questions}")
    if info.cut_answers:
        notes.append(f"train: questions whose answer fits in no window, used as without answer: {info.cut_answers}")
    skipped = features.skipped
    if skipped:
        notes.append(f"train: questions that cannot be used: {len(skipped)}, all listed in {result.skipped_list}")
        notes.extend(f"  {question.id}: {question.why}" for question in skipped[:_SHOWN_SKIPPED])
        if len(skipped) > _SHOWN_SKIPPED:
            notes.append(f"  ... and {len(skipped) - _SHOWN_SKIPPED} more")
    return notes
