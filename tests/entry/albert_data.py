"""The documented data folder in small: an ALBERT V2 of random weights in TensorFlow's format, records, meta data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.config.sections import NetworkConfig
from src.data.example_proto import encode_example
from src.data.tfrecord import TFRecordWriter
from src.model.names import backbone_shapes
from src.weights.config_files import google_config
from src.weights.tf_bundle_writer import write_bundle
from src.weights.tf_names import Layout
from src.weights.tf_names_to_weights import tensors_for_tensorflow

LENGTH = 12
TRAIN_ROWS, EVAL_ROWS = 10, 11
CLASSES = 3
NETWORK = NetworkConfig(
    seq_length=LENGTH,
    vocab_size=40,
    embedding_size=8,
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=16,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    classifier_dropout_prob=0.0,
)
SHAPE_KEYS: dict[str, Any] = {
    "albert_network": "custom",
    **{
        f"albert_net_cfg.{key}": getattr(NETWORK, key)
        for key in (
            "seq_length", "vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
            "intermediate_size", "max_position_embeddings",
        )
    },
}  # fmt: skip

Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class AlbertData:
    """The folder, and what was written into it."""

    folder: Path
    weights: dict[str, np.ndarray]
    rows: dict[str, Rows]


def random_rows(count: int, seed: int) -> Rows:
    """Return the columns of some rows: pairs of different lengths."""
    random = np.random.RandomState(seed)
    rows = {name: np.zeros((count, LENGTH), np.int64) for name in ("input_ids", "input_mask", "segment_ids")}
    for row in range(count):
        length = random.randint(5, LENGTH + 1)
        rows["input_ids"][row, :length] = random.randint(5, NETWORK.vocab_size, length)
        rows["input_mask"][row, :length] = 1
        rows["segment_ids"][row, length // 2 : length] = 1
    return {**rows, "label_ids": random.randint(0, CLASSES, (count, 1)).astype(np.int64)}


def tensorflow_columns(rows: Rows, row: int) -> dict[str, np.ndarray]:
    """Return a row with the columns that TensorFlow's converters add."""
    added = {
        "is_real_example": np.ones(1, np.int64),
        "weight": np.ones(1, np.float32),
        "example_id": np.array([row], np.int64),
    }
    return {name: values[row] for name, values in rows.items()} | added


def write_records(path: Path, rows: Rows) -> None:
    with TFRecordWriter(path) as writer:
        for row in range(len(rows["label_ids"])):
            writer.write(encode_example(tensorflow_columns(rows, row)))


def meta_data() -> dict[str, Any]:
    return {
        "processor_type": "MNLI",
        "train_data_size": TRAIN_ROWS,
        "max_seq_length": LENGTH,
        "task_type": "bert_classification",
        "num_labels": CLASSES,
        "eval_data_size": EVAL_ROWS,
    }


def random_weights(network: NetworkConfig = NETWORK) -> dict[str, np.ndarray]:
    """Return a backbone whose every parameter changes the outputs."""
    random = np.random.RandomState(8)
    shapes = sorted(backbone_shapes(network).items())
    drawn = {name: 0.2 * random.standard_normal(shape).astype(np.float32) for name, shape in shapes}
    return {name: values + np.float32(name.endswith("gamma")) for name, values in drawn.items()}


def write_model(folder: Path, weights: dict[str, np.ndarray], network: NetworkConfig = NETWORK) -> None:
    """Write the folder of a model as Google's tarball has it."""
    folder.mkdir(parents=True)
    tensors = tensors_for_tensorflow(weights, Layout.GOOGLE_TF1, network.num_attention_heads)
    write_bundle(folder / "bert_model.ckpt", tensors)
    config = google_config(network) | {"net_structure_type": 0, "gap_size": 0, "layers_to_keep": []}
    (folder / "albert_config.json").write_text(json.dumps(config))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(network.vocab_size - 5))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def make_data_set(root: Path, rows: dict[str, Rows], task: str = "MNLI") -> None:
    """Write ``<task>_dataset``."""
    folder = root / f"{task}_dataset"
    folder.mkdir(parents=True)
    for split, columns in rows.items():
        write_records(folder / f"{task}_{split}.tf_record", columns)
    (folder / f"{task}_meta_data").write_text(json.dumps(meta_data()))


def make_albert_data(root: Path, name: str = "albert_tiny") -> AlbertData:
    """Write the whole folder."""
    weights = random_weights()
    rows = {"train": random_rows(TRAIN_ROWS, 1), "eval": random_rows(EVAL_ROWS, 2)}
    write_model(root / name, weights)
    make_data_set(root, rows)
    return AlbertData(root, weights, rows)
