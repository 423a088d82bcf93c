"""The files of a data dump: what MindSpore's names mean, and a table of what they hold."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.files import write_text_atomic
from src.runtime.array_figures import ArrayFigures, aligned_table, figures_of

_NAME = re.compile(
    r"(?P<type>[^.]+)\.(?P<name>.+)\.\d+\.\d+\.(?P<time>\d+)\.(?P<side>input|output)\.(?P<slot>\d+)\.[^.]+(\.[^.]+)?\.npy"
)
# MindSpore gives a file whose name would be too long a number, and writes the name into this file.
_MAPPING = "mapping.csv"
_TITLES = ["update", "operator", "tensor", "shape", "dtype", "min", "max", "mean", "nan", "inf", "file"]


@dataclass(frozen=True)
class DumpedTensor:
    """A file of a dump.

    Attributes:
        update: Number of the update, from 0.
        micro_batch: Number of the micro-batch within the update.
        operator: Name of the operator in the graph.
        tensor: ``input 0``, ``output 0`` and so on.
        time_us: When it was written.
        file: Path relative to the index.
        figures: What it holds.
    """

    update: int
    micro_batch: int
    operator: str
    tensor: str
    time_us: int
    file: str
    figures: ArrayFigures

    def cells(self) -> list[str]:
        """Return the row of the index."""
        known = self.figures
        numbers = [f"{value:.6g}" for value in (known.minimum, known.maximum, known.mean)]
        counts = [str(known.nans), str(known.infinities)]
        return [
            str(self.update),
            self.operator,
            self.tensor,
            known.shape_text,
            known.dtype,
            *numbers,
            *counts,
            self.file,
        ]


def long_names(folder: Path) -> dict[str, str]:
    """Return the names that MindSpore has shortened, by the names of the files."""
    try:
        lines = (folder / _MAPPING).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {cells[0].strip(): cells[1].strip() for cells in csv.reader(lines) if len(cells) > 1}


def describe(path: Path, full_name: str, update: int, micro_batch: int, root: Path) -> DumpedTensor:
    """Return what a dumped file holds.

    Args:
        path: The file.
        full_name: The name that MindSpore meant it to have.
        update: The update it belongs to.
        micro_batch: The micro-batch of the update.
        root: Folder of the index.
    """
    match = _NAME.fullmatch(full_name)
    name, tensor, time_us = (full_name, "?", 0)
    if match is not None:
        # Names of classes make a long path longer and say nothing that the names of the cells do not.
        place = re.sub(r"-[A-Z][A-Za-z]*(?=_)", "", match["name"]).removeprefix("Default_")
        name = place if match["type"] in place else f"{match['type']} {place}"
        tensor, time_us = f"{match['side']} {match['slot']}", int(match["time"])
    figures = figures_of(np.load(path, allow_pickle=False))
    return DumpedTensor(update, micro_batch, name, tensor, time_us, str(path.relative_to(root)), figures)


def write_index(folder: Path, tensors: list[DumpedTensor]) -> Path:
    """Write ``index.txt``, for people, and ``index.csv``; return the former. Rows are in the order of execution."""
    ordered = sorted(tensors, key=lambda item: (item.update, item.micro_batch, item.time_us, item.file))
    rows = [item.cells() for item in ordered]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([_TITLES, *rows])
    write_text_atomic(folder / "index.csv", stream.getvalue())
    write_text_atomic(folder / "index.txt", "\n".join(aligned_table(_TITLES, rows)) + "\n")
    return folder / "index.txt"
