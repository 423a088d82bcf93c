"""Read the records of one source, MindRecord or TFRecord, chunk by chunk, checked and without padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from src.common.errors import DataError
from src.data.example_proto import FeatureKind, Wanted
from src.data.meta_data import MetaData
from src.data.record_checks import Chunk, RaggedRows, RecordRules, strip_padding
from src.data.record_chunks import ColumnChoice, read_chunks, wanted_column
from src.data.record_schema import (
    INPUT_IDS,
    IS_REAL_EXAMPLE,
    LABEL_IDS,
    SQUAD,
    START_POSITIONS,
    TOKEN_COLUMNS,
    schema_of,
)
from src.data.record_source import RecordSource

_INTEGER: tuple[FeatureKind, ...] = ("int64",)
_NUMBER: tuple[FeatureKind, ...] = ("int64", "float")


@dataclass(frozen=True)
class Expected:
    """What the reader of a file demands of it; ``None`` demands nothing.

    Attributes:
        kind: Kind of record.
        vocab_size: Token ids must be below it.
        num_labels: Classes of the network: class numbers must be below it.
        max_length: The most tokens that a row may have without its padding.
        meta_data: What the converter's ``meta_data`` says, for a TFRecord without manifest.
    """

    kind: str | None = None
    vocab_size: int | None = None
    num_labels: int | None = None
    max_length: int | None = None
    meta_data: MetaData | None = None


class SourceReader:
    """Reads one source once.

    Attributes:
        source: The source.
        max_seq_length: Length to which its rows are padded.
        rules: What its rows were checked against.
        dropped_rows: Rows left out so far because ``is_real_example`` is 0.

    Raises:
        DataError: The first records show that the source is not what is expected.
    """

    def __init__(self, source: RecordSource, expected: Expected) -> None:
        self.source = source
        self.dropped_rows = 0
        self._total_rows = 0
        self._expected = expected
        if source.manifest is not None and source.manifest.kind == SQUAD:
            raise _squad_records(source)
        self._chunks = read_chunks(source, _columns_of(source))
        first = next(self._chunks, None)
        if first is None:
            raise DataError("the file holds no records", str(source.path), "convert the data again")
        self._chunks = itertools.chain([first], self._chunks)
        self.max_seq_length = int(first.columns[INPUT_IDS].shape[-1])
        self.rules = _rules(first, source, expected)

    def rows(self) -> Iterator[RaggedRows]:
        """Yield all rows, some at a time; raise ``DataError`` at the first bad one, and when the count is wrong."""
        for chunk in self._chunks:
            self._total_rows += len(chunk.numbers)
            real = _without_fillers(chunk)
            self.dropped_rows += len(chunk.numbers) - len(real.numbers)
            if len(real.numbers):
                yield strip_padding(real, self.rules)
        self._check_count()

    def _check_count(self) -> None:
        """Compare the rows read with what manifest or meta data say."""
        manifest, meta = self.source.manifest, self._expected.meta_data
        if manifest is not None and self._total_rows != manifest.rows:
            what = f"the file has {self._total_rows} rows, its manifest says {manifest.rows}"
            raise DataError(what, str(self.source.path), "convert the data again")
        if self._total_rows == self.dropped_rows:
            raise DataError("all rows are fillers (is_real_example is 0)", str(self.source.path), "convert it again")
        counts = {self._total_rows, self._total_rows - self.dropped_rows}
        if manifest is None and meta is not None and meta.sizes and not counts & set(meta.sizes.values()):
            sizes = ", ".join(f"{name} {size}" for name, size in meta.sizes.items())
            what = f"the file has {self._total_rows} rows, its meta data say {sizes}"
            raise DataError(what, str(self.source.path), "give the meta data of this file")


def _columns_of(source: RecordSource) -> ColumnChoice:
    """Return what chooses the columns: the schema's, or of a foreign file those that we know."""

    def choose(present: frozenset[str]) -> list[Wanted]:
        if source.manifest is not None:
            length = source.manifest.max_seq_length
            return [wanted_column(column, length) for column in schema_of(source.manifest.kind).columns]
        wanted = [Wanted(name, _INTEGER) for name in TOKEN_COLUMNS]
        if START_POSITIONS in present and LABEL_IDS not in present:
            raise _squad_records(source)
        if LABEL_IDS in present:
            wanted.append(Wanted(LABEL_IDS, _NUMBER))
        if IS_REAL_EXAMPLE in present:
            wanted.append(Wanted(IS_REAL_EXAMPLE, _INTEGER, 1))
        return wanted

    return choose


def _squad_records(source: RecordSource) -> DataError:
    what = "the records are for answers in a text (SQuAD), labels expected"
    return DataError(what, str(source.path), "use the command for SQuAD, or give records with labels")


def _without_fillers(chunk: Chunk) -> Chunk:
    """Return the chunk without rows whose ``is_real_example`` is 0 (they only fill the last batch of a TPU)."""
    if IS_REAL_EXAMPLE not in chunk.columns:
        return chunk
    real = chunk.columns[IS_REAL_EXAMPLE][:, 0]
    odd = (real != 0) & (real != 1)
    if bool(odd.any()):
        index = int(np.argmax(odd))
        raise DataError(f"column '{IS_REAL_EXAMPLE}' holds {real[index]}, 0 or 1 expected", chunk.where(index))
    kept = real == 1
    if bool(kept.all()):
        return chunk
    columns = {name: values[kept] for name, values in chunk.columns.items()}
    return Chunk(chunk.path, chunk.numbers[kept], columns)


def _rules(first: Chunk, source: RecordSource, expected: Expected) -> RecordRules:
    """Return the rules for a source's rows from its manifest, meta data, first records and the reader's demands."""
    manifest, meta = source.manifest, expected.meta_data
    where = str(source.path)
    kind = manifest.kind if manifest else meta.kind if meta else expected.kind or _kind_of(first, where)
    if expected.kind is not None and expected.kind != kind:
        raise DataError(
            f"the records are for {kind}, {expected.kind} expected", where, "choose the task or file that fits"
        )
    length = int(first.columns[INPUT_IDS].shape[-1])
    if manifest is None and meta is not None and meta.max_seq_length != length:
        what = f"rows have {length} tokens, the meta data say max_seq_length {meta.max_seq_length}"
        raise DataError(what, where, "give the meta data of this file")
    return RecordRules(
        kind=kind,
        has_labels=manifest.has_labels if manifest else LABEL_IDS in first.columns,
        max_seq_length=manifest.max_seq_length if manifest else length,
        max_length=expected.max_length,
        vocab_size=expected.vocab_size,
        num_labels=None if kind == "regression" else _class_count(source, expected, where),
    )


def _class_count(source: RecordSource, expected: Expected, where: str) -> int | None:
    """Return the number of classes of the file, which the network's must not be below."""
    known = None
    if source.manifest is not None:
        known = len(source.manifest.labels)
    elif expected.meta_data is not None:
        known = expected.meta_data.num_labels
    if known is not None and expected.num_labels is not None and expected.num_labels < known:
        what = f"the records have {known} classes, the network only {expected.num_labels}"
        raise DataError(what, where, f"set num_class to {known}")
    return expected.num_labels if known is None else known


def _kind_of(first: Chunk, where: str) -> str:
    """Return the kind of record that a foreign file's label column shows."""
    labels = first.columns.get(LABEL_IDS)
    if labels is None:
        raise DataError(
            f"without column '{LABEL_IDS}' the kind of record is not known", where, "say which task it is for"
        )
    if labels.dtype.kind == "f":
        return "regression"
    return "classification" if labels.shape[1] == 1 else "token_classification"
