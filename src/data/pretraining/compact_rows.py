"""Rows of MindRecord files, held in memory without their padding.

MindSpore has no random access by row number, and dies of damaged files: so verified files are read once, in order. A
full record of 128 tokens and 20 predictions takes 0.5 KB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.common.errors import DataError
from src.data.mindrecord import read_mindrecord
from src.data.pretraining.progress import ScanProgress
from src.data.pretraining.record_checks import Place, check_records
from src.data.pretraining.record_files import RecordFile
from src.data.pretraining.record_rows import Numbering
from src.data.pretraining.records import (
    INPUT_IDS,
    INPUT_MASK,
    MASKED_LM_IDS,
    MASKED_LM_POSITIONS,
    MASKED_LM_WEIGHTS,
    NEXT_SENTENCE_LABELS,
    SEGMENT_IDS,
    PretrainColumn,
)
from src.data.record_schema import gather_padded

_REBUILD = "create the data again, or restore the files"
_TOKEN_COLUMNS = (INPUT_IDS, SEGMENT_IDS)
_PREDICTION_COLUMNS = (MASKED_LM_POSITIONS, MASKED_LM_IDS, MASKED_LM_WEIGHTS)
_UINT16_VALUES = 1 << 16
# Names of the numbers of tokens and of used slots of each row, beside the columns.
_TOKENS, _SLOTS = "tokens", "slots"


class CompactRows:
    """Rows of MindRecord files (see ``Rows``).

    Args:
        files: The files, verified, in order, with the rows that their manifests tell.
        columns: The seven columns, as the manifests tell.
        vocab_size: Ids must be below.

    Attributes:
        columns: The seven columns.
        counts: Rows of each file.

    Raises:
        DataError: A record is not possible, or a file does not hold what its manifest says.
    """

    def __init__(
        self,
        files: Sequence[RecordFile],
        columns: Sequence[PretrainColumn],
        vocab_size: int,
    ) -> None:
        self.columns = tuple(columns)
        self.counts = [file.rows or 0 for file in files]
        self._numbering = Numbering([file.path for file in files], self.counts)
        self._vocab_size = vocab_size
        self._dtypes = _smallest_types(vocab_size, columns[0].width)
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in (*_TOKEN_COLUMNS, *_PREDICTION_COLUMNS)}
        self._parts.update({name: [] for name in (NEXT_SENTENCE_LABELS, _TOKENS, _SLOTS)})
        progress = ScanProgress(f"read {files[0].path.parent}", sum(file.bytes for file in files), "bytes")
        for file in files:
            self._add_file(file)
            progress.advance(file.bytes)
        progress.finish()
        self._values = {name: np.concatenate(arrays) for name, arrays in self._parts.items()}
        del self._parts
        self._offsets = {
            name: np.concatenate(([0], np.cumsum(self._values.pop(name), dtype=np.int64))) for name in (_TOKENS, _SLOTS)
        }

    def _add_file(self, file: RecordFile) -> None:
        """Add the rows of a file."""
        rows = 0
        for chunk in read_mindrecord([file.path], [column.name for column in self.columns]):
            first = rows

            def place(index: int, first: int = first) -> str:
                return f"{file.path}: record {first + index}"

            self._check_types(chunk, place)
            self._add_rows(chunk, check_records(chunk, self._vocab_size, place))
            rows += len(chunk[INPUT_IDS])
        if rows != file.rows:
            what = f"the file holds {rows} records, its manifest says {file.rows}"
            raise DataError(what, str(file.path), _REBUILD)

    def _check_types(self, chunk: dict[str, np.ndarray], place: Place) -> None:
        for column in self.columns:
            values = chunk[column.name]
            if values.dtype != np.dtype(column.dtype) or values.shape[1:] != (column.width,):
                have = f"{values.dtype} of shape {list(values.shape[1:])}"
                what = f"column '{column.name}' is {have}, its manifest says {column.dtype} of [{column.width}]"
                raise DataError(what, place(0), _REBUILD)

    def _add_rows(self, chunk: dict[str, np.ndarray], tokens: np.ndarray) -> None:
        """Add some rows without their padding."""
        weights = chunk[MASKED_LM_WEIGHTS]
        # Slots behind the last prediction are padding.
        slots = (weights * (np.arange(weights.shape[1]) + 1)).max(axis=1).astype(np.int64)
        used = np.arange(weights.shape[1]) < slots[:, None]
        inside = chunk[INPUT_MASK] == 1
        for name in _TOKEN_COLUMNS:
            self._parts[name].append(chunk[name][inside].astype(self._dtypes[name]))
        for name in _PREDICTION_COLUMNS:
            # What stands in a slot of weight 0 means nothing, and may not fit the type.
            self._parts[name].append((chunk[name] * (weights == 1))[used].astype(self._dtypes[name]))
        self._parts[NEXT_SENTENCE_LABELS].append(chunk[NEXT_SENTENCE_LABELS].astype(np.int8))
        self._parts[_TOKENS].append(tokens)
        self._parts[_SLOTS].append(slots)

    def read(self, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return columns and lengths of some rows; their values were checked when they were loaded."""
        lengths = self.read_lengths(numbers)
        widths = {column.name: column.width for column in self.columns}
        result = {INPUT_MASK: (np.arange(widths[INPUT_IDS]) < lengths[:, None]).astype(np.int64)}
        for names, offsets in ((_TOKEN_COLUMNS, _TOKENS), (_PREDICTION_COLUMNS, _SLOTS)):
            for name in names:
                dtype = np.float32 if name == MASKED_LM_WEIGHTS else np.int64
                padded = gather_padded(self._values[name], self._offsets[offsets], numbers, widths[name], 0)
                result[name] = padded.astype(dtype)
        result[NEXT_SENTENCE_LABELS] = self._values[NEXT_SENTENCE_LABELS][numbers].astype(np.int64)
        return result, lengths

    def read_lengths(self, numbers: np.ndarray) -> np.ndarray:
        """Return the tokens of some rows, int64[B]."""
        offsets = self._offsets[_TOKENS]
        return np.asarray(offsets[numbers + 1] - offsets[numbers])

    def place_of(self, number: int) -> str:
        """Name a row for messages."""
        return self._numbering.place_of(number)

    def close(self) -> None:
        """Do nothing: no file is open."""


def _smallest_types(vocab_size: int, max_seq_length: int) -> dict[str, type[np.generic]]:
    """Return for each column the smallest type that holds its values."""
    ids = np.uint16 if vocab_size <= _UINT16_VALUES else np.int32
    return {
        INPUT_IDS: ids,
        SEGMENT_IDS: np.int8,
        MASKED_LM_POSITIONS: np.uint16 if max_seq_length <= _UINT16_VALUES else np.int32,
        MASKED_LM_IDS: ids,
        MASKED_LM_WEIGHTS: np.int8,
    }
