"""All rows of a fine-tuning data set in memory, without their padding.

67,000 sentences of 13 tokens take 5 MB this way, 200 MB with padding to 128. Legend of shapes: B rows of a batch,
N tokens of all rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.manifest import Manifest
from src.data.meta_data import MetaData, read_meta_data
from src.data.record_checks import RaggedRows
from src.data.record_reader import Expected, SourceReader
from src.data.record_schema import IGNORED_LABEL, KINDS, gather_padded, token_batch
from src.data.record_source import open_sources

_LOG = logging.getLogger(__name__)

FINETUNE_COLUMNS = ("input_ids", "input_mask", "segment_ids", "label_ids", "row_weight")


@dataclass(frozen=True)
class FinetuneTable:
    """All rows of one data set.

    Attributes:
        source: The path it was read from.
        kind: Kind of record.
        labels: Class names; of files without manifest the numbers as far as their count is known; empty for regression.
        manifest: The manifest, ``None`` when there is none or several files were read together.
        max_seq_length: Length to which the file's rows are padded.
        token_ids: int32[N].
        segment_ids: int8[N].
        offsets: int64[rows + 1], where each row begins in the token arrays.
        label_ids: int32[rows], float32[rows] (regression), int32[N] (token classification), ``None`` without labels.
        dropped_rows: Fillers (``is_real_example`` 0) that were left out.
    """

    source: Path
    kind: str
    labels: tuple[str, ...]
    manifest: Manifest | None
    max_seq_length: int
    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    label_ids: np.ndarray | None
    dropped_rows: int = 0

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a batch."""
        return FINETUNE_COLUMNS

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int32[rows]."""
        return np.diff(self.offsets).astype(np.int32)

    def place_of(self, row: int) -> str:
        """Return where a row comes from, for messages; rows are counted from 0."""
        return f"{self.source}: row {row}"

    def batch(self, indices: np.ndarray | Sequence[int], batch_size: int, length: int) -> dict[str, np.ndarray]:
        """Return rows padded to ``length``; places behind them are filled with rows of weight 0.

        Args:
            indices: At most ``batch_size`` row numbers.
            batch_size: Rows of the batch.
            length: Tokens of each padded row; none of the rows may be longer.

        Returns:
            ``input_ids``, ``input_mask``, ``segment_ids`` int32[B, length]; ``label_ids`` int32[B], float32[B]
            (regression) or int32[B, length] (token classification), zeros (``IGNORED_LABEL`` for tokens) without
            labels; ``row_weight`` float32[B], 1 for a row and 0 for a filler.

        Raises:
            ValueError: There are more indices than places, or a row is longer than ``length``.
        """
        taken = np.asarray(indices, dtype=np.int64)
        result = token_batch(self.token_ids, self.segment_ids, self.offsets, taken, batch_size, length)
        result["label_ids"] = self._label_batch(taken, batch_size, length)
        return result

    def normalizers(self, batches: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return what the loss of some batches together is divided by: rows, or labelled tokens; float32[1]."""
        if self.kind == "token_classification":
            counted = [((batch["label_ids"] >= 0) * batch["row_weight"][:, None]).sum() for batch in batches]
        else:
            counted = [batch["row_weight"].sum() for batch in batches]
        return np.array([sum(counted)], dtype=np.float32)

    def _label_batch(self, taken: np.ndarray, batch_size: int, length: int) -> np.ndarray:
        """Return the labels of a batch as ``batch`` describes them."""
        if self.kind == "token_classification":
            labels = np.full((batch_size, length), IGNORED_LABEL, np.int32)
            if self.label_ids is not None:
                labels[: len(taken)] = gather_padded(self.label_ids, self.offsets, taken, length, IGNORED_LABEL)
            return labels
        labels = np.zeros(batch_size, np.float32 if self.kind == "regression" else np.int32)
        if self.label_ids is not None:
            labels[: len(taken)] = self.label_ids[taken]
        return labels


def read_table(
    path: Path | str,
    *,
    vocab_size: int | None = None,
    num_labels: int | None = None,
    max_length: int | None = None,
    kind: str | None = None,
    meta_data_path: Path | None = None,
) -> FinetuneTable:
    """Read, verify and check a whole data set.

    Args:
        path: One file, a pattern, or several with commas between (see ``open_sources``).
        vocab_size: Rows of the network's embedding table; token ids must be below.
        num_labels: Classes of the network; class numbers must be below, and the manifest's classes not more.
        max_length: Positions of the network; no row may have more tokens (padding not counted).
        kind: The kind of record that is needed.
        meta_data_path: ``meta_data`` of the TensorFlow converter, for TFRecord files without manifest.

    Raises:
        DataError: A file is missing or damaged, or a record is not as it must be; file and record are named.
    """
    expected = _expected(kind, meta_data_path, vocab_size, num_labels, max_length)
    readers: list[SourceReader] = []
    parts: list[RaggedRows] = []
    for source in open_sources(path):
        readers.append(SourceReader(source, expected))
        _check_alike(readers[0], readers[-1])
        parts.extend(readers[-1].rows())
    dropped = sum(reader.dropped_rows for reader in readers)
    if dropped:
        _LOG.info("%s: %d filler rows (is_real_example is 0) left out", path, dropped)
    labels = [part.label_ids for part in parts if part.label_ids is not None]
    lengths = np.concatenate([part.lengths for part in parts])
    return FinetuneTable(
        source=Path(path),
        kind=readers[0].rules.kind,
        labels=_label_names(readers[0]),
        manifest=readers[0].source.manifest if len(readers) == 1 else None,
        max_seq_length=max(reader.max_seq_length for reader in readers),
        token_ids=np.concatenate([part.token_ids for part in parts]),
        segment_ids=np.concatenate([part.segment_ids for part in parts]),
        offsets=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
        label_ids=np.concatenate(labels) if labels else None,
        dropped_rows=dropped,
    )


def _expected(
    kind: str | None,
    meta_data_path: Path | None,
    vocab_size: int | None = None,
    num_labels: int | None = None,
    max_length: int | None = None,
) -> Expected:
    """Return the demands on a file; raise ``DataError`` for an unknown kind or bad meta data."""
    if kind is not None and kind not in KINDS:
        raise DataError(f"unknown kind of record '{kind}'", fix=f"choose one of {', '.join(KINDS)}")
    meta: MetaData | None = None
    if meta_data_path is not None:
        meta = read_meta_data(meta_data_path)
        if meta.has_sample_weights:
            _LOG.warning("%s: the files have sample weights; they are not used", meta_data_path)
    return Expected(kind, vocab_size, num_labels, max_length, meta)


def _check_alike(first: SourceReader, other: SourceReader) -> None:
    """Require files that are read together to be of one kind, with the same classes and tokenizer."""
    ours, theirs = first.source.manifest, other.source.manifest
    pairs: list[tuple[str, object, object]] = [
        ("kinds of record", first.rules.kind, other.rules.kind),
        ("presence of labels", first.rules.has_labels, other.rules.has_labels),
    ]
    if ours is not None and theirs is not None:
        pairs.append(("class names", ours.labels, theirs.labels))
        pairs.append(("tokenizers", ours.tokenizer.sha256, theirs.tokenizer.sha256))
    for what, have, found in pairs:
        if have != found:
            raise DataError(
                f"files read together have different {what}: {have} in {first.source.path}, {found} here",
                str(other.source.path),
                "read files that were converted alike",
            )


def _label_names(reader: SourceReader) -> tuple[str, ...]:
    """Return the class names of the manifest, or numbers where only their count is known."""
    if reader.source.manifest is not None:
        return tuple(reader.source.manifest.labels)
    return tuple(str(number) for number in range(reader.rules.num_labels or 0))
