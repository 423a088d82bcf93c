"""Compare what two runs left behind: their figures, step by step, and the files of their last checkpoints."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import AlbertError
from src.common.files import sha256_of
from src.train.metrics_log import read_metrics

Place = tuple[str, int]
"""Kind of a record (train or eval) and its step."""

LOSSES = ("loss", "mlm_loss", "sop_loss")
# What depends on the hour and the machine, and not on the training.
_NOT_COMPARED = ("time", "kind", "step", "ms_per_step", "tokens_per_s", "tflops", "mfu", "first_update_ms")
_SHOWN = 3


@dataclass(frozen=True)
class Curve:
    """The figures of a run.

    Attributes:
        figures: Those of every record.
        repeated: Records that are there more than once.
    """

    figures: Mapping[Place, Mapping[str, float]]
    repeated: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Difference:
    """How two curves differ.

    Attributes:
        largest: The largest absolute difference of a figure that both have.
        where: Record and figure of it; empty for equal curves.
        problems: Records that only one of them has, or that are there twice.
    """

    largest: float
    where: str
    problems: tuple[str, ...]


def curve_of(records: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the figures in the records of a metrics log."""
    figures: dict[Place, Mapping[str, float]] = {}
    repeated: list[Place] = []
    for record in records:
        place = (str(record["kind"]), int(record["step"]))
        if place in figures:
            repeated.append(place)
        figures[place] = {name: value for name, value in record.items() if name not in _NOT_COMPARED}
    return Curve(figures, tuple(repeated))


def compare(found: Curve, wanted: Curve, names: Collection[str] = ()) -> Difference:
    """Compare two curves.

    Args:
        found: The curve to judge.
        wanted: The reference.
        names: The figures to compare; empty for all.
    """
    problems = [
        _listed("records are there twice", found.repeated),
        _listed("records are missing", [place for place in wanted.figures if place not in found.figures]),
        _listed("records are too many", [place for place in found.figures if place not in wanted.figures]),
    ]
    largest, where = 0.0, ""
    for place, figures in wanted.figures.items():
        other = found.figures.get(place, figures)
        if set(other) != set(figures):
            problems.append(f"{_name(place)} has other figures")
        for name in set(figures) & set(other) & set(names or figures):
            # A figure that is NaN on one side only differs without limit.
            gap = abs(figures[name] - other[name]) if figures[name] != other[name] else 0.0
            gap = gap if gap == gap else float("inf")
            if gap > largest:
                largest, where = gap, f"{name} of {_name(place)}"
    return Difference(largest, where, tuple(filter(None, problems)))


def curve_problems(run: Path, reference: Path, tolerance: float, names: Collection[str] = ()) -> list[str]:
    """Return what is wrong with the curve of a run; nothing if it is that of the reference.

    Args:
        run: A run directory.
        reference: That of the uninterrupted run.
        tolerance: Absolute difference that is allowed; 0 for equal to the last bit.
        names: The figures to compare; empty for all.
    """
    try:
        found, wanted = (curve_of(read_metrics(folder / "metrics.jsonl")) for folder in (run, reference))
    except AlbertError as error:
        return [str(error)]
    difference = compare(found, wanted, names)
    problems = list(difference.problems)
    if difference.largest > tolerance:
        problems.append(f"{difference.where} differs by {difference.largest:.1e}")
    return problems


def largest_difference(run: Path, reference: Path, names: Collection[str] = ()) -> float:
    """Return the largest difference between the figures of two runs."""
    found, wanted = (curve_of(read_metrics(folder / "metrics.jsonl")) for folder in (run, reference))
    return compare(found, wanted, names).largest


def manifest_of(run: Path) -> dict[str, Any]:
    """Return the manifest of a run's checkpoints; an empty one before the first save."""
    try:
        content: dict[str, Any] = json.loads((run / "checkpoints" / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"checkpoints": [], "best": None}
    return content


def saved_step(run: Path) -> int:
    """Return the step of the newest checkpoint, 0 where there is none."""
    entries = manifest_of(run)["checkpoints"]
    return int(entries[-1]["position"]["global_step"]) if entries else 0


def checkpoint_problems(run: Path) -> list[str]:
    """Return which files of the checkpoints are not what the manifest says."""
    folder, problems = run / "checkpoints", []
    for entry in manifest_of(run)["checkpoints"]:
        for file in (entry["weights"], entry["state"]):
            path = folder / file["name"]
            if not path.is_file() or sha256_of(path) != file["sha256"]:
                problems.append(f"{path.name} is damaged")
    return problems


def weights_problems(run: Path, reference: Path) -> list[str]:
    """Return which files of the last checkpoints and best weights of two runs differ."""
    problems = []
    for part in ("weights", "state"):
        mine, theirs = (manifest_of(folder)["checkpoints"][-1][part]["sha256"] for folder in (run, reference))
        if mine != theirs:
            problems.append(f"the last checkpoint's {part} differ")
    mine, theirs = (manifest_of(folder)["best"]["weights"]["sha256"] for folder in (run, reference))
    return problems if mine == theirs else [*problems, "the best weights differ"]


def snapshot(folder: Path) -> dict[str, str]:
    """Return the checksums of all files of a folder."""
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _name(place: Place) -> str:
    return f"{place[0]} record of step {place[1]}"


def _listed(what: str, places: Sequence[Place]) -> str:
    if not places:
        return ""
    more = ", ..." if len(places) > _SHOWN else ""
    return f"{len(places)} {what}: {', '.join(map(_name, places[:_SHOWN]))}{more}"
