"""Read what ``ascend310_infer`` answered: ``results.json`` and one raw file for every output of every batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from src.common.errors import DataError
from src.data.json_file import parse_json, read_bytes
from src.data.record_schema import SQUAD
from src.offline.manifest import OfflineManifest
from src.tasks.assets import AnswerSettings
from src.tasks.inference import Condense, Outputs
from src.tasks.squad_answering import BEAM

RESULTS_NAME = "results.json"
_AGAIN = "run ascend310_infer again, into an empty folder"
_MOST_NAMED = 3
_DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "int64": "<i8"}


@dataclass(frozen=True)
class OutputInfo:
    """One output of the model, as ``results.json`` describes it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ResultsInfo:
    """Content of ``results.json``: it is written last, so it stands for a run that went to its end.

    Attributes:
        model: The model that ran.
        device: Where.
        outputs: Its outputs.
        files: Names of the batches, without ending.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    model: str
    device: str
    outputs: tuple[OutputInfo, ...]
    files: tuple[str, ...]


def read_results_info(directory: Path) -> ResultsInfo:
    """Return ``results.json``.

    Raises:
        DataError: It is missing or damaged.
    """
    path = directory / RESULTS_NAME
    if not path.exists():
        what = f"there are no results, or the run did not come to its end: {RESULTS_NAME} is missing"
        raise DataError(what, str(directory), _AGAIN)
    content = parse_json(read_bytes(path, _AGAIN), path, _AGAIN)
    try:
        return TypeAdapter(ResultsInfo).validate_python(content)
    except ValueError as error:
        raise DataError("the file is damaged: it does not describe results", str(path), _AGAIN) from error


def expected_outputs(manifest: OfflineManifest) -> list[tuple[str, tuple[int, ...]]]:
    """Return kind of number (``f`` or ``i``) and shape of every output of the network of a manifest."""
    rows, length, classes = manifest.batch_size, manifest.length, len(manifest.labels)
    if manifest.kind == SQUAD and manifest.answers is not None:
        return _answer_outputs(manifest.answers, rows, length)
    shapes = {"regression": (rows, 1), "token_classification": (rows, length, classes)}
    return [("f", shapes.get(manifest.kind, (rows, classes)))]


def _answer_outputs(answers: AnswerSettings, rows: int, length: int) -> list[tuple[str, tuple[int, ...]]]:
    if answers.head != BEAM:
        return [("f", (rows, length, 2))]
    starts, ends = (rows, answers.start_n_top), (rows, answers.start_n_top * answers.end_n_top)
    return [("f", starts), ("i", starts), ("f", ends), ("i", ends), ("f", (rows,))]


class ResultFolder:
    """The answers to the batches of a manifest, checked before the first is read.

    Args:
        directory: Where they lie.
        manifest: What was asked.

    Raises:
        DataError: A file is missing, of another size, or too many, or the outputs are not those of such a network.
    """

    def __init__(self, directory: Path, manifest: OfflineManifest) -> None:
        self._directory, self._manifest = directory, manifest
        info = read_results_info(directory)
        self._types = self._checked_outputs(info)
        self._check_files(info)

    def outputs(self, condense: Condense, lengths: np.ndarray) -> Outputs:
        """Return what ``condense`` makes of the batches, in the order of the rows.

        Args:
            condense: As for ``run_inference``.
            lengths: Tokens of every row, int32 [rows].

        Raises:
            DataError: A file cannot be read, or holds what no network answers.
        """
        values: list[np.ndarray] = []
        for file, stem in zip(self._manifest.files, self._manifest.stems, strict=True):
            rows = np.arange(len(values), len(values) + file.rows)
            values += condense(self._arrays(stem, file.rows), rows, lengths[rows])
        return Outputs(np.arange(len(values), dtype=np.int64), values)

    def _arrays(self, stem: str, rows: int) -> list[np.ndarray]:
        """Return the outputs of a batch of so many rows: float32 or int32, padding rows included."""
        arrays = []
        for index, ((kind, shape), dtype) in enumerate(zip(expected_outputs(self._manifest), self._types, strict=True)):
            path = self._place(stem, index)
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"cannot read: {error.strerror or error}", str(path), _AGAIN) from error
            values = np.frombuffer(content, dtype).reshape(shape)
            self._check_finite(values[:rows], path)
            arrays.append(values.astype(np.float32 if kind == "f" else np.int32))
        return arrays

    def _check_finite(self, values: np.ndarray, path: Path) -> None:
        """Refuse numbers that are none; a head on SQuAD marks what is no answer by -infinity."""
        bad = ~np.isfinite(values)
        if self._manifest.kind == SQUAD:
            bad &= ~np.isneginf(values)
        if bad.any():
            count = f"{int(bad.sum())} of {bad.size} numbers are not finite"
            what = f"{count}: the file is damaged, or the model overflowed"
            fix = "run ascend310_infer again, on an Ascend with --precision_mode preferred_fp32"
            raise DataError(what, str(path), fix)

    def _checked_outputs(self, info: ResultsInfo) -> list[str]:
        """Return the types of the outputs, in the order of their numbers."""
        where, expected = str(self._directory / RESULTS_NAME), expected_outputs(self._manifest)
        outputs = sorted(info.outputs, key=lambda output: output.index)
        if [output.index for output in outputs] != list(range(len(expected))):
            what = f"the model {info.model} gave {len(outputs)} outputs, {self._described()} gives {len(expected)}"
            raise DataError(what, where, "run the model that preprocess.py wrote for, or preprocess.py for this one")
        for output, (kind, shape) in zip(outputs, expected, strict=True):
            dtype = output.dtype.lower()
            if _without_ones(output.shape) != _without_ones(shape) or kind not in _DTYPES.get(dtype, ""):
                what = (
                    f"output {output.index} of the model {info.model} is {output.dtype} {list(output.shape)}, "
                    f"{self._described()} gives {'float32' if kind == 'f' else 'int32'} {list(shape)}"
                )
                raise DataError(
                    what, where, "run the model that preprocess.py wrote for, or preprocess.py for this one"
                )
        return [_DTYPES[output.dtype.lower()] for output in outputs]

    def _described(self) -> str:
        """Return what kind of network is expected, for messages."""
        manifest = self._manifest
        classes = f" with {len(manifest.labels)} labels" if manifest.labels else ""
        return f"one for {manifest.kind}{classes} and batches of {manifest.batch_size} x {manifest.length} tokens"

    def _check_files(self, info: ResultsInfo) -> None:
        """Make sure that exactly the expected files are there."""
        stems, names = self._manifest.stems, set(info.files)
        strange = sorted(names.difference(stems))
        if strange:
            what = f"there are results of other batches: {_some(strange)}"
            raise DataError(what, str(self._directory / RESULTS_NAME), f"{_AGAIN}, with the folders of this manifest")
        self._refuse_missing([stem for stem in stems if stem not in names], RESULTS_NAME)
        sizes = {
            self._place(stem, index): math.prod(shape) * np.dtype(dtype).itemsize
            for stem in stems
            for index, ((_, shape), dtype) in enumerate(zip(expected_outputs(self._manifest), self._types, strict=True))
        }
        self._refuse_missing([path.name for path in sizes if not path.is_file()], "")
        extra = sorted(path.name for path in self._directory.glob("*.bin") if path not in sizes)
        if extra:
            raise DataError(f"there are files that belong to no batch: {_some(extra)}", str(self._directory), _AGAIN)
        for path, size in sizes.items():
            if path.stat().st_size != size:
                what = f"the file has {path.stat().st_size} bytes, {size} are expected"
                raise DataError(what, str(path), _AGAIN)

    def _refuse_missing(self, names: Sequence[str], place: str) -> None:
        if names:
            what = f"{len(names)} results are missing: {_some(names)}"
            raise DataError(what, str(self._directory / place), _AGAIN)

    def _place(self, stem: str, index: int) -> Path:
        return self._directory / f"{stem}_{index}.bin"


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without sizes of 1, which converters of models add and remove."""
    return tuple(size for size in shape if size != 1)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
