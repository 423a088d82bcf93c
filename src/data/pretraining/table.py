"""The pre-training records of a folder as a table whose rows can be taken in any order.

Rows are numbered over the files sorted by name, so a permutation of the numbers shuffles over all files, which keeps
the share of each process and the place of a resumed run exact.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.data.batch_table import Batch
from src.data.manifest import TokenizerInfo
from src.data.pretraining.compact_rows import CompactRows
from src.data.pretraining.manifest import PretrainManifest
from src.data.pretraining.progress import ScanProgress
from src.data.pretraining.record_files import RecordSet, find_record_files, manifests_of
from src.data.pretraining.record_rows import Rows, TFRecordRows
from src.data.pretraining.records import (
    INPUT_IDS,
    INPUT_MASK,
    MASKED_LM_IDS,
    MASKED_LM_POSITIONS,
    MASKED_LM_WEIGHTS,
    NEXT_SENTENCE_LABELS,
    SEGMENT_IDS,
    columns_of,
)
from src.data.pretraining.schema_file import rows_of_schema
from src.data.record_schema import ROW_WEIGHT

_LOG = logging.getLogger(__name__)

PRETRAIN_COLUMNS = (
    INPUT_IDS,
    INPUT_MASK,
    SEGMENT_IDS,
    NEXT_SENTENCE_LABELS,
    MASKED_LM_POSITIONS,
    MASKED_LM_IDS,
    MASKED_LM_WEIGHTS,
    ROW_WEIGHT,
)
_TOKEN_COLUMNS = (INPUT_IDS, INPUT_MASK, SEGMENT_IDS)
_SCAN_ROWS = 512


class PretrainTable:
    """All records of one folder, or an even choice of them.

    Args:
        record_set: The files.
        store: What reads their rows.
        numbers: int64[rows], the rows of the files that are in the table, ascending.
        lengths: int32[rows], tokens of each; ``None`` where they were not asked for.

    Attributes:
        source: The path it was read from.
        rows: Number of rows.
        max_seq_length: Tokens S to which the records are padded.
        slots: Predictions P to which they are padded.
        lengths: int32[rows], tokens of each row; all S where they were not asked for.
        tokenizer: What made the token ids; ``None`` for files of other programs.
        files: The files.
        columns: Names of the columns of a batch.
    """

    columns: tuple[str, ...] = PRETRAIN_COLUMNS

    def __init__(self, record_set: RecordSet, store: Rows, numbers: np.ndarray, lengths: np.ndarray | None) -> None:
        self._set = record_set
        self._store = store
        self._numbers = numbers
        self._lengths_known = lengths is not None
        widths = {column.name: column.width for column in store.columns}
        self.source = record_set.source
        self.rows = len(numbers)
        self.max_seq_length = widths[INPUT_IDS]
        self.slots = widths[MASKED_LM_IDS]
        self.lengths = np.full(self.rows, self.max_seq_length, np.int32) if lengths is None else lengths
        self.tokenizer: TokenizerInfo | None = record_set.tokenizer
        self.files: tuple[Path, ...] = tuple(file.path for file in record_set.files)

    def batch(self, indices: np.ndarray | Sequence[int], batch_size: int, length: int) -> Batch:
        """Return rows padded to ``length``; places behind them are filled with rows of weight 0.

        Every value is checked again: a file may have been changed since the table was made.

        Args:
            indices: At most ``batch_size`` row numbers.
            batch_size: Rows of the batch.
            length: Tokens of each padded row; none of the rows may be longer.

        Returns:
            The columns ``PRETRAIN_COLUMNS``: int32[B, length] the first three, int32[B, 1] the labels, int32[B, P]
            positions and ids (0 where nothing is predicted), float32[B, P] their weights, float32[B] ``row_weight``, 1
            for a row and 0 for a filler.

        Raises:
            ValueError: There are more indices than places, or a row is longer than ``length``.
            DataError: A record is damaged or not possible; file and record are named.
        """
        taken = np.asarray(indices, dtype=np.int64)
        count, longest = len(taken), int(self.lengths[taken].max(initial=0))
        if count > batch_size or longest > max(length, 0):
            raise ValueError(f"{count} rows of up to {longest} tokens do not fit {batch_size}x{length}")
        batch = {name: np.zeros((batch_size, length), np.int32) for name in _TOKEN_COLUMNS}
        batch[NEXT_SENTENCE_LABELS] = np.zeros((batch_size, 1), np.int32)
        for name in (MASKED_LM_POSITIONS, MASKED_LM_IDS):
            batch[name] = np.zeros((batch_size, self.slots), np.int32)
        batch[MASKED_LM_WEIGHTS] = np.zeros((batch_size, self.slots), np.float32)
        batch[ROW_WEIGHT] = (np.arange(batch_size) < count).astype(np.float32)
        if count:
            self._fill(batch, taken, length)
        # A filler sees one token, so that its softmax over visible positions stays finite.
        batch[INPUT_MASK][count:, 0] = 1
        return batch

    def _fill(self, batch: Batch, taken: np.ndarray, length: int) -> None:
        """Put rows into the first places of a batch."""
        columns, lengths = self._store.read(self._numbers[taken])
        if self._lengths_known and bool((lengths != self.lengths[taken]).any()):
            row = int(taken[int(np.argmax(lengths != self.lengths[taken]))])
            raise DataError("the record has changed since training began", self.place_of(row), "restore the file")
        count, width = len(taken), min(length, self.max_seq_length)
        for name in _TOKEN_COLUMNS:
            batch[name][:count, :width] = columns[name][:, :width]
        batch[NEXT_SENTENCE_LABELS][:count] = columns[NEXT_SENTENCE_LABELS]
        batch[MASKED_LM_WEIGHTS][:count] = columns[MASKED_LM_WEIGHTS]
        # Positions of padding may lie anywhere in foreign files, but the network gathers there.
        predicted = columns[MASKED_LM_WEIGHTS] == 1
        for name in (MASKED_LM_POSITIONS, MASKED_LM_IDS):
            batch[name][:count] = columns[name] * predicted

    def normalizers(self, batches: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return the sums of the prediction weights and of the rows of some batches, float32[2]; 0 of fillers."""
        weights = sum(float((batch[MASKED_LM_WEIGHTS] * batch[ROW_WEIGHT][:, None]).sum()) for batch in batches)
        return np.array([weights, sum(float(batch[ROW_WEIGHT].sum()) for batch in batches)], np.float32)

    def place_of(self, row: int) -> str:
        """Return file and record of a row, for messages."""
        return self._store.place_of(int(self._numbers[row]))

    def identity(self) -> dict[str, Any]:
        """Return what must be the same when training is resumed, as plain JSON.

        Names, rows and checksums of the files are one digest: every checkpoint's entry in the manifest repeats it.
        """
        files = [
            (file.path.name, rows, file.bytes, file.sha256)
            for file, rows in zip(self._set.files, self._store.counts, strict=True)
        ]
        return {
            "rows": self.rows,
            "max_seq_length": self.max_seq_length,
            "slots": self.slots,
            "files": len(files),
            "files_sha256": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
        }

    def close(self) -> None:
        """Close the files."""
        self._store.close()


def read_pretrain_table(
    data_dir: Path,
    schema: Path | None,
    *,
    vocab_size: int,
    seq_length: int,
    lengths: bool,
    rows_at_most: int | None = None,
    check_rows: int | None = None,
) -> PretrainTable:
    """Find, verify and check pre-training records.

    Files with a manifest are verified by their checksums, and their values trusted until they are read; of files of
    other programs every record of the table is checked here (35,000 records a second, 128 tokens, one core).

    Args:
        data_dir: Folder of the records (TFRecord or MindRecord), or one file.
        schema: A ``schema.json`` (or the folder of one) that the records must fit. Its ``numRows`` above 0 is the most
            rows that are read of the whole data set, whatever the number of devices; MindSpore's ``TFRecordDataset``
            documents it so for one device (with several, each read as many). ``None``: one that lies in ``data_dir`` is
            only compared.
        vocab_size: Ids of the network are below.
        seq_length: Longest row of the network, in tokens.
        lengths: Read the length of every row, which batches of different lengths need.
        rows_at_most: Read only so many rows. They are spread evenly over all files, and are the same in every run.
        check_rows: Check only so many records of other programs beforehand, spread evenly, and the first of every
            file. The others are checked when they are read for a batch, as all are.

    Raises:
        DataError: There are no records, or a file is damaged, incomplete, or does not fit network or schema.
    """
    for place, manifest in manifests_of(data_dir):
        # Before gigabytes are verified.
        _check_manifest(place, manifest, vocab_size, seq_length)
    record_set = find_record_files(data_dir)
    store, found = _open(record_set, vocab_size)
    _check_width(store.columns[0].width, seq_length, record_set.files[0].path)
    limit = rows_of_schema(schema, found, data_dir)
    total = sum(store.counts)
    numbers = _spread(np.arange(total), min([total, *(most for most in (rows_at_most, limit) if most)]))
    if len(numbers) < total:
        _LOG.info("%s: %d of %d records are read, spread over all files", data_dir, len(numbers), total)
    known = None
    if record_set.manifest is None:
        checked = numbers if lengths or check_rows is None else _sample(store, numbers, check_rows)
        known = _scan(f"check {data_dir}", lambda part: store.read(part)[1], checked)
    elif lengths:
        known = _scan(f"lengths of {data_dir}", store.read_lengths, numbers)
    return PretrainTable(record_set, store, numbers, known if lengths else None)


def _check_manifest(place: Path, manifest: PretrainManifest, vocab_size: int, seq_length: int) -> None:
    """Refuse records that do not fit the network, or a manifest that does not describe them."""
    made_with = manifest.tokenizer.vocab_size
    if made_with > vocab_size:
        raise DataError(
            f"the records were made with a vocabulary of {made_with}, the network's vocab_size is {vocab_size}",
            str(place),
            f"set vocab_size of the network to {made_with}, or create the records with its vocabulary",
        )
    _check_width(manifest.max_seq_length, seq_length, place)
    described = {name: (column.dtype, column.shape) for name, column in manifest.columns.items()}
    for column in columns_of(manifest.max_seq_length, _slots_of(manifest)):
        if described.get(column.name) != (column.dtype, [column.width]):
            what = f"the manifest does not describe column '{column.name}' as {column.dtype} of [{column.width}]"
            raise DataError(what, str(place), "create the data again, or restore the manifest")


def _slots_of(manifest: PretrainManifest) -> int:
    """Return the width of the columns of predictions; twice ``max_predictions_per_seq`` with permutation."""
    column = manifest.columns.get(MASKED_LM_IDS)
    return column.shape[0] if column and column.shape else manifest.max_predictions_per_seq


def _check_width(width: int, seq_length: int, place: Path) -> None:
    if width > seq_length:
        what = f"the records are padded to {width} tokens, the network's seq_length is {seq_length}"
        fix = f"set seq_length of the network to {width}, or create records with --max_seq_length {seq_length}"
        raise DataError(what, str(place), fix)


def _open(record_set: RecordSet, vocab_size: int) -> tuple[Rows, dict[str, tuple[str, int]]]:
    """Return what reads the rows, and dtype and width of all columns that the files hold."""
    manifest = record_set.manifest
    if manifest is None:
        store = TFRecordRows(record_set.files, vocab_size)
        return store, store.found
    found: dict[str, tuple[str, int]] = {
        name: (column.dtype, column.shape[0]) for name, column in manifest.columns.items()
    }
    if record_set.file_format == "tfrecord":
        return TFRecordRows(record_set.files, vocab_size), found
    return CompactRows(record_set.files, columns_of(manifest.max_seq_length, _slots_of(manifest)), vocab_size), found


def _sample(store: Rows, numbers: np.ndarray, wanted: int) -> np.ndarray:
    """Return some rows to check: the first of every file, and others at even distances."""
    firsts = np.cumsum([0, *store.counts[:-1]])
    return np.union1d(firsts, _spread(numbers, wanted))


def _spread(numbers: np.ndarray, wanted: int) -> np.ndarray:
    """Return so many of the numbers at even distances, or all if there are not more."""
    count = min(wanted, len(numbers))
    return numbers[np.arange(count, dtype=np.int64) * len(numbers) // max(count, 1)]


def _scan(title: str, read: Callable[[np.ndarray], np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """Read rows part by part and return their lengths, int32[rows]."""
    progress = ScanProgress(title, len(numbers), "records")
    lengths = np.zeros(len(numbers), np.int32)
    for begin in range(0, len(numbers), _SCAN_ROWS):
        part = numbers[begin : begin + _SCAN_ROWS]
        lengths[begin : begin + len(part)] = read(part)
        progress.advance(len(part))
    progress.finish()
    return lengths
