"""Turn one block of text into one finished shard."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from src.common.files import atomic_path, write_json_atomic
from src.common.seeds import child_seed
from src.data.example_proto import Wanted, decode_columns, parse_example
from src.data.file_set import publish, temporary_folder
from src.data.manifest import describe_file
from src.data.pretraining.documents import Block
from src.data.pretraining.encoding import Segmenter, SentenceEncoder
from src.data.pretraining.instances import Document, create_instances
from src.data.pretraining.manifest import ShardFile, ShardInfo
from src.data.pretraining.records import PretrainColumn, RecordCodec, columns_of
from src.data.pretraining.settings import InstanceSettings, Symbols
from src.data.pretraining.statistics import PretrainStatistics
from src.data.record_schema import Column
from src.data.tfrecord import TFRecordWriter
from src.data.tokenization import load_tokenizer

_CHUNK_ROWS = 1000
_INFO_SUFFIX = ".json"

FileFormat = Literal["tfrecord", "mindrecord"]


@dataclass(frozen=True)
class ShardPlan:
    """What a worker needs to know to write shards.

    Attributes:
        vocab_file: ``vocab.txt`` of WordPiece, or empty.
        spm_model_file: SentencePiece model, or empty.
        do_lower_case: Whether the model is uncased.
        segmenter: Who finds the words of Chinese text.
        settings: How documents become instances.
        seed: Seed of everything random; each block has its own streams under it.
        token_boundary: Whether to write the reference's eighth column.
        file_format: ``tfrecord`` or ``mindrecord``.
        name: Begin of the names of files.
        folder: Where finished shards lie until all are finished.
    """

    vocab_file: str
    spm_model_file: str
    do_lower_case: bool
    segmenter: Segmenter
    settings: InstanceSettings
    seed: int
    token_boundary: bool
    file_format: FileFormat
    name: str
    folder: Path

    @property
    def columns(self) -> tuple[PretrainColumn, ...]:
        """The columns of the records."""
        return columns_of(self.settings.max_seq_length, self.settings.prediction_slots, self.token_boundary)

    def shard_path(self, number: int) -> Path:
        """Return the place of a shard."""
        return self.folder / f"{self.name}-{number:05d}.{self.file_format}"

    def info_path(self, number: int) -> Path:
        """Return the place of a finished shard's description; where it exists the shard is complete."""
        path = self.shard_path(number)
        return path.with_name(path.name + _INFO_SUFFIX)


class ShardMaker:
    """Makes the shards of a plan; a worker keeps one, because loading the vocabulary takes time."""

    def __init__(self, plan: ShardPlan) -> None:
        self._plan = plan
        tokenizer = load_tokenizer(plan.vocab_file, plan.spm_model_file, plan.do_lower_case)
        self._encoder = SentenceEncoder(tokenizer, plan.segmenter)
        self._symbols = Symbols.of(tokenizer)
        self._codec = RecordCodec(plan.settings, tokenizer.vocab_size, plan.token_boundary)

    def make(self, block: Block) -> ShardInfo:
        """Write the shard of a block and, when it is complete on the disk, its description.

        Raises:
            OutputError: The shard cannot be written; nothing of it is left.
        """
        plan, statistics = self._plan, PretrainStatistics()
        text_sha256 = block.digest()
        documents = self._encoded(block, statistics)
        packed = self._packed(documents, block.number, statistics)
        files = self._write(plan.shard_path(block.number), packed) if packed else []
        info = ShardInfo(number=block.number, text_sha256=text_sha256, files=files, statistics=statistics.as_dict())
        write_json_atomic(plan.info_path(block.number), info.model_dump())
        return info

    def _encoded(self, block: Block, statistics: PretrainStatistics) -> list[Document]:
        """Return the documents as codes, without empty sentences and documents."""
        documents: list[Document] = []
        for raw in block.documents:
            encoded = (self._encoder.encode(sentence) for sentence in raw.sentences())
            if document := [codes for codes in encoded if codes]:
                documents.append(document)
                statistics.sentences += len(document)
                statistics.text_tokens += sum(map(len, document))
            # Text and codes of a block need not be in memory together.
            raw.lines = []
        statistics.documents = len(documents)
        return documents

    def _packed(self, documents: list[Document], number: int, statistics: PretrainStatistics) -> list[bytes]:
        """Return the packed instances of all passes, shuffled."""
        chance = random.Random(child_seed(self._plan.seed, "pretraining instances", number))
        lengths = random.Random(child_seed(self._plan.seed, "pretraining n-grams", number))
        packed = []
        for instance in create_instances(documents, self._plan.settings, self._symbols, chance, lengths.random):
            statistics.count(instance, self._symbols.mask_id)
            packed.append(self._codec.pack(instance))
        chance.shuffle(packed)
        return packed

    def _write(self, path: Path, packed: Sequence[bytes]) -> list[ShardFile]:
        if self._plan.file_format == "mindrecord":
            return self._write_mindrecord(path, packed)
        with atomic_path(path) as temporary, TFRecordWriter(temporary) as writer:
            for item in packed:
                writer.write(self._codec.serialize(item))
        return [ShardFile(**describe_file(path).model_dump(), rows=len(packed))]

    def _write_mindrecord(self, path: Path, packed: Sequence[bytes]) -> list[ShardFile]:
        # Imported here: it is not needed for TFRecord files.
        from src.data.mindrecord import file_geometry, write_mindrecord

        settings, columns = self._plan.settings, self._plan.columns
        written = [Column(column.name, column.dtype, per_token=column.width > 1) for column in columns]
        geometry = file_geometry(len(packed), settings.max_seq_length + settings.prediction_slots)
        with temporary_folder(path) as folder:
            files = write_mindrecord(folder / path.name, written, self._chunks(packed, path), geometry)
            described = [
                ShardFile(**describe_file(file).model_dump(), rows=0 if index else len(packed))
                for index, file in enumerate(files)
            ]
            old = [file.name for file in files if (path.parent / file.name).exists()]
            publish(folder, path.parent, [file.name for file in files], old)
        return described

    def _chunks(self, packed: Sequence[bytes], path: Path) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """Yield the columns of some rows at a time, for MindSpore's writer."""
        for begin in range(0, len(packed), _CHUNK_ROWS):
            rows = [
                parse_example(self._codec.serialize(item), str(path)) for item in packed[begin : begin + _CHUNK_ROWS]
            ]
            yield {
                column.name: decode_columns(
                    rows,
                    Wanted(column.name, ("float",) if column.dtype == "float32" else ("int64",), column.width),
                    lambda index: str(path),
                )
                for column in self._plan.columns
            }
