"""Windows of SQuAD questions as a table for training and evaluation: from record files, or straight from features.

Legend of shapes: B rows of a batch, T tokens to which they are padded, N tokens of all rows.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.batch_table import Batch
from src.data.example_proto import FeatureKind, Wanted
from src.data.manifest import Manifest
from src.data.record_checks import REBUILD, Chunk
from src.data.record_chunks import ColumnChoice, read_chunks, wanted_column
from src.data.record_schema import (
    END_POSITIONS,
    INPUT_IDS,
    INPUT_MASK,
    IS_IMPOSSIBLE,
    P_MASK,
    ROW_WEIGHT,
    SEGMENT_IDS,
    SQUAD,
    START_POSITIONS,
    TOKEN_COLUMNS,
    schema_of,
    token_batch,
)
from src.data.record_source import RecordSource, open_sources
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures
from src.data.squad_manifest import info_of
from src.data.squad_record_checks import PARAGRAPH_MASK, SquadRows, check_squad_rows, squad_rules

SQUAD_COLUMNS = (INPUT_IDS, INPUT_MASK, SEGMENT_IDS, START_POSITIONS, END_POSITIONS, IS_IMPOSSIBLE, ROW_WEIGHT)
_INTEGER: tuple[FeatureKind, ...] = ("int64",)
_NUMBER: tuple[FeatureKind, ...] = ("int64", "float")


@dataclass(frozen=True, eq=False)
class SquadTable:
    """All windows of one data set, without their padding.

    Attributes:
        source: What it was made from.
        manifests: Those of the record files, which agree in their vocabulary; none for files of other programs.
        max_seq_length: Length to which the file's rows are padded.
        token_ids: int32[N].
        segment_ids: int8[N].
        offsets: int64[rows + 1], where each row begins in the token arrays.
        start_positions: Place of the answer's first token in the row, int32[rows]; 0 without an answer.
        end_positions: Place of its last token, int32[rows].
        is_impossible: Whether the row holds no answer, bool[rows]; False in features for evaluation.
        place_of: Names a row for messages.
    """

    source: Path
    manifests: tuple[Manifest, ...]
    max_seq_length: int
    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    start_positions: np.ndarray
    end_positions: np.ndarray
    is_impossible: np.ndarray
    place_of: Callable[[int], str]

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of a table of one record file, ``None`` where there is none or several were read together."""
        return self.manifests[0] if len(self.manifests) == 1 else None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a batch."""
        return SQUAD_COLUMNS

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int32[rows]."""
        return np.diff(self.offsets).astype(np.int32)

    def batch(self, indices: np.ndarray | Sequence[int], batch_size: int, length: int) -> Batch:
        """Return rows padded to ``length``; places behind them are filled with rows of weight 0.

        Args:
            indices: At most ``batch_size`` row numbers.
            batch_size: Rows of the batch.
            length: Tokens of each padded row; none of the rows may be longer.

        Returns:
            The columns ``SQUAD_COLUMNS``: int32[B, length] the first three, int32[B] the positions, float32[B]
            ``is_impossible`` (0 or 1) and ``row_weight``, 1 for a row and 0 for a filler.

        Raises:
            ValueError: There are more indices than places, or a row is longer than ``length``.
        """
        taken = np.asarray(indices, dtype=np.int64)
        result: Batch = token_batch(self.token_ids, self.segment_ids, self.offsets, taken, batch_size, length)
        for name, values in ((START_POSITIONS, self.start_positions), (END_POSITIONS, self.end_positions)):
            result[name] = np.zeros(batch_size, np.int32)
            result[name][: len(taken)] = values[taken]
        result[IS_IMPOSSIBLE] = np.zeros(batch_size, np.float32)
        result[IS_IMPOSSIBLE][: len(taken)] = self.is_impossible[taken]
        return {name: result[name] for name in self.columns}

    def normalizers(self, batches: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return the rows of some batches that count, float32[1]."""
        return np.array([sum(float(batch[ROW_WEIGHT].sum()) for batch in batches)], np.float32)


def table_of_features(features: SquadFeatures, data: SquadFile) -> SquadTable:
    """Return the table of features that were made in this process or kept in a cache.

    Args:
        features: The windows; rows of the table are in their order.
        data: The questions that they were made of.
    """
    lengths = features.lengths
    within = np.arange(len(features.token_ids)) - np.repeat(features.offsets[:-1], lengths)

    def place_of(row: int) -> str:
        return f"{data.source}: question {data.questions[features.question[row]].id}, window {features.window[row]}"

    return SquadTable(
        source=data.source,
        manifests=(),
        max_seq_length=features.settings.max_seq_length,
        token_ids=features.token_ids,
        segment_ids=(within >= np.repeat(features.doc_begin, lengths)).astype(np.int8),
        offsets=features.offsets,
        start_positions=features.start_position,
        end_positions=features.end_position,
        is_impossible=features.is_impossible,
        place_of=place_of,
    )


def read_squad_table(path: Path | str, *, vocab_size: int | None = None, max_length: int | None = None) -> SquadTable:
    """Read, verify and check training records of SQuAD.

    Args:
        path: One file, a pattern, or several with commas between (see ``open_sources``). MindRecord or TFRecord, made
            by this project, by the model zoo's, Google's or the TF official models' programs.
        vocab_size: Rows of the network's embedding table; token ids must be below.
        max_length: Positions of the network; no row may have more tokens (padding not counted).

    Raises:
        DataError: A file is missing or damaged, or a record is not as it must be; file and record are named.
    """
    sources = open_sources(path)
    for source in sources:
        _check_alike(sources[0], source)
    reader = _Reader(vocab_size, max_length)
    parts = [part for source in sources for part in reader.rows_of(source)]
    return SquadTable(
        source=Path(path),
        manifests=tuple(source.manifest for source in sources if source.manifest is not None),
        max_seq_length=reader.max_seq_length,
        token_ids=np.concatenate([part.tokens.token_ids for part in parts]),
        segment_ids=np.concatenate([part.tokens.segment_ids for part in parts]),
        offsets=np.concatenate(
            ([0], np.cumsum(np.concatenate([part.tokens.lengths for part in parts]), dtype=np.int64))
        ),
        start_positions=np.concatenate([part.starts for part in parts]),
        end_positions=np.concatenate([part.ends for part in parts]),
        is_impossible=np.concatenate([part.is_impossible for part in parts]),
        place_of=reader.place_of,
    )


class _Reader:
    """Reads sources one after the other, and remembers which rows lie where.

    Attributes:
        max_seq_length: The largest length to which rows are padded.
    """

    def __init__(self, vocab_size: int | None, max_length: int | None) -> None:
        self._vocab_size, self._max_length = vocab_size, max_length
        self._begins: list[int] = []
        self._places: list[Callable[[int], str]] = []
        self._rows = 0
        self.max_seq_length = 0

    def rows_of(self, source: RecordSource) -> Iterator[SquadRows]:
        """Yield the checked rows of a source, some at a time."""
        before = self._rows
        rules = None
        for chunk in read_chunks(source, _columns_of(source)):
            length = chunk.columns[INPUT_IDS].shape[-1]
            self.max_seq_length = max(self.max_seq_length, length)
            rules = rules or squad_rules(length, self._max_length, self._vocab_size)
            self._begins.append(self._rows)
            # Without the columns: they would stay in memory with their padding.
            self._places.append(Chunk(chunk.path, chunk.numbers, {}).where)
            self._rows += len(chunk.numbers)
            yield check_squad_rows(chunk, rules, ours=source.manifest is not None)
        rows, manifest = self._rows - before, source.manifest
        if rows == 0:
            raise DataError("the file holds no records", str(source.path), REBUILD)
        if manifest is not None and rows != manifest.rows:
            raise DataError(f"the file has {rows} rows, its manifest says {manifest.rows}", str(source.path), REBUILD)

    def place_of(self, row: int) -> str:
        """Return file and record of a row."""
        part = bisect.bisect_right(self._begins, row) - 1
        return self._places[part](row - self._begins[part])


def _columns_of(source: RecordSource) -> ColumnChoice:
    """Return what chooses the columns: the schema's, or of a foreign file those that we know."""

    def choose(present: frozenset[str]) -> list[Wanted]:
        if source.manifest is not None:
            return [wanted_column(column, source.manifest.max_seq_length) for column in schema_of(SQUAD).columns]
        missing = [name for name in (*TOKEN_COLUMNS, START_POSITIONS, END_POSITIONS) if name not in present]
        if missing:
            there = ", ".join(sorted(present)) or "none"
            what = f"these are no training records of SQuAD: column '{missing[0]}' is missing; columns there: {there}"
            raise DataError(what, str(source.path), "give records that create_squad_data.py made from a train file")
        wanted = [Wanted(name, _INTEGER) for name in TOKEN_COLUMNS]
        wanted += [Wanted(name, _INTEGER, 1) for name in (START_POSITIONS, END_POSITIONS)]
        wanted += [Wanted(name, _INTEGER) for name in (P_MASK, PARAGRAPH_MASK) if name in present]
        return [*wanted, Wanted(IS_IMPOSSIBLE, _NUMBER, 1)] if IS_IMPOSSIBLE in present else wanted

    return choose


def _check_alike(first: RecordSource, other: RecordSource) -> None:
    """Require SQuAD records, and files that are read together to be made with one vocabulary."""
    theirs = other.manifest
    if theirs is None:
        return
    if theirs.kind != SQUAD:
        what = f"the records are for {theirs.kind}, answers in a text (SQuAD) expected"
        raise DataError(what, str(other.path), "give records that create_squad_data.py made")
    info_of(theirs, str(other.path))
    ours = first.manifest
    if ours is not None and ours.tokenizer.sha256 != theirs.tokenizer.sha256:
        what = f"files read together have different tokenizers: {ours.tokenizer.sha256} in {first.path}, "
        raise DataError(
            f"{what}{theirs.tokenizer.sha256} here", str(other.path), "read files that were converted alike"
        )
