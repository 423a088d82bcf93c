"""What the TensorFlow official models do with the documented data folder; run by the Python that has TensorFlow.

``records_program.py write CONFIG VOCABULARY TABLES FOLDER`` write albert_tiny and MNLI_dataset with their own writers
``records_program.py read META RECORDS FILE.npz``            write what their reader gives of a record file
``records_program.py encode PREFIX CONFIG RECORDS ROWS FILE.npz`` write what their encoder computes of the first rows
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import program
import tensorflow as tf

# Their converter imports these two, which its road from tables over WordPiece does not need.
for unused in ("tensorflow_datasets", "sentencepiece"):
    sys.modules.setdefault(unused, types.ModuleType(unused))


def write_records(vocabulary: str, tables: Path, folder: Path, length: int) -> None:
    """Convert train.tsv and dev_matched.tsv with the converter of the official models."""
    from official.nlp.data import classifier_data_lib as library
    from official.nlp.tools.tokenization import FullTokenizer

    class Processor(library.DataProcessor):
        """GLUE's own files of MNLI; the processor of today's version downloads other ones."""

        def get_train_examples(self, data_dir: str) -> list[Any]:
            return self._examples(f"{data_dir}/train.tsv")

        def get_dev_examples(self, data_dir: str) -> list[Any]:
            return self._examples(f"{data_dir}/dev_matched.tsv")

        def get_labels(self) -> list[str]:
            return ["contradiction", "entailment", "neutral"]

        @staticmethod
        def get_processor_name() -> str:
            return "MNLI"

        def _examples(self, path: str) -> list[Any]:
            rows = self._read_tsv(path)[1:]
            return [library.InputExample(str(n), row[8], row[9], label=row[-1]) for n, row in enumerate(rows)]

    meta = library.generate_tf_record_from_data_file(
        Processor(), str(tables), FullTokenizer(vocabulary, do_lower_case=True), str(folder / "MNLI_train.tf_record"),
        str(folder / "MNLI_eval.tf_record"), max_seq_length=length,
    )  # fmt: skip
    (folder / "MNLI_meta_data").write_text(json.dumps(meta, indent=4) + "\n")


def write(config_path: str, vocabulary: str, tables: Path, folder: Path) -> None:
    """Write the folder: a checkpoint as a tree of objects, as the official models publish theirs."""
    config = json.loads(Path(config_path).read_text())
    model_folder = folder / "albert_tiny"
    model_folder.mkdir(parents=True)
    model = program.encoder(config)
    random = np.random.RandomState(3)
    for variable in model.variables:
        variable.assign_add(0.2 * random.standard_normal(variable.shape).astype(np.float32))
    tf.train.Checkpoint(model=model).write(str(model_folder / "bert_model.ckpt"))
    shutil.copy(config_path, model_folder / "albert_config.json")
    shutil.copy(vocabulary, model_folder / "vocab.txt")
    (folder / "MNLI_dataset").mkdir()
    write_records(vocabulary, tables, folder / "MNLI_dataset", config["max_position_embeddings"])


def read(meta_path: str, records: str, rows: int | None = None) -> dict[str, np.ndarray]:
    """Return the columns of a record file as the official models' input pipeline gives them to the network."""
    from official.legacy.bert.input_pipeline import create_classifier_dataset

    meta = json.loads(Path(meta_path).read_text())
    if not (meta["num_labels"] > 1 and meta["train_data_size"] and meta["eval_data_size"]):
        raise ValueError(f"a key that the official models ask for says nothing: {meta}")
    dataset = create_classifier_dataset(records, meta["max_seq_length"], 4, is_training=False)
    batches = [{**inputs, "label_ids": labels} for inputs, labels in dataset.as_numpy_iterator()]
    columns = {name: np.concatenate([batch[name] for batch in batches])[:rows] for name in batches[0]}
    return {name: values.astype(np.int64) for name, values in columns.items()}


def encode(prefix: str, config_path: str, records: str, rows: int) -> dict[str, np.ndarray]:
    """Return the pooled outputs [rows, D] of the official encoder, and the labels of these rows."""
    config = json.loads(Path(config_path).read_text())
    model = program.encoder(config)
    tf.train.Checkpoint(model=model).read(prefix).assert_existing_objects_matched()
    columns = read(str(Path(records).parent / "MNLI_meta_data"), records, rows)
    inputs = [columns[name].astype(np.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")]
    return {"pooled": model(inputs, training=False)["pooled_output"].numpy(), "label_ids": columns["label_ids"]}


def main(words: list[str]) -> int:
    """Do what the words say."""
    command, *rest = words
    if command == "write":
        write(rest[0], rest[1], Path(rest[2]), Path(rest[3]))
    elif command == "read":
        np.savez(rest[2], **read(rest[0], rest[1]))
    else:
        np.savez(rest[4], **encode(rest[0], rest[1], rest[2], int(rest[3])))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
