"""The documented data folder as the TensorFlow official models write it, and this project's files as they read them.

Their own converter, input pipeline and encoder run in the environment of ``make test-tensorflow``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore import nn

from src.config.run_plan import RunPlan
from src.model.names import canonical_name
from src.tasks import run_home
from src.weights.read_input import read_input
from tests.entry.albert_data import SHAPE_KEYS
from tests.entry.runs import NO_DROPOUT, ROOT, VOCABULARY, classify, convert, records_of, report_of, sentence
from tests.tensorflow.layouts import TINY

PYTHON = os.environ.get("TENSORFLOW_PYTHON", "")
PROGRAM = Path(__file__).parent / "records_program.py"
CONFIG = {
    **TINY, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "vocab_size": len(VOCABULARY),
    "net_structure_type": 0, "gap_size": 0, "num_memory_blocks": 0, "down_scale_factor": 1, "layers_to_keep": [],
}  # fmt: skip
LENGTH = CONFIG["max_position_embeddings"]
ROWS = {"train": 30, "dev_matched": 23}
TOLERANCE = 1e-5

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs a real TensorFlow: make test-tensorflow")


def tensorflow(*words: object) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}
    command = [PYTHON, str(PROGRAM), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def write_tables(folder: Path) -> None:
    """Write MNLI's tables: the two sentences stand in columns 8 and 9, the label in the last."""
    folder.mkdir()
    for name, count in ROWS.items():
        chance = random.Random(name)
        names = ["index", *(f"x{number}" for number in range(7)), "sentence1", "sentence2", "gold_label"]
        lines = ["\t".join(names)]
        for number in range(count):
            label = chance.choice(["contradiction", "entailment", "neutral"])
            # Pairs that are too long are cut by both, in the same way.
            cells = [str(number), *["x"] * 7, sentence(chance, 0, 12), sentence(chance, 1, 9), label]
            lines.append("\t".join(cells))
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let TensorFlow write the folder ``data`` from tables; return the folder of both."""
    folder = tmp_path_factory.mktemp("tensorflow_data")
    write_tables(folder / "MNLI")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    tensorflow("write", folder / "config.json", folder / "vocab.txt", folder / "MNLI", folder / "data")
    return folder


def first_rows(folder: Path) -> dict[str, np.ndarray]:
    """Return what TensorFlow computes of the first batch."""
    model, records = folder / "data" / "albert_tiny", folder / "data" / "MNLI_dataset" / "MNLI_train.tf_record"
    tensorflow("encode", model / "bert_model.ckpt", folder / "config.json", records, 4, folder / "first.npz")
    return arrays(folder / "first.npz")


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(labels)), labels]))


def test_one_command_trains_and_evaluates_on_the_folder_of_tensorflow(written: Path) -> None:
    shapes = {name.partition(".")[2] or name: value for name, value in SHAPE_KEYS.items()}
    network = {f"albert_net_cfg.{key}": CONFIG[key] for key in shapes if key in CONFIG}
    keys: dict[str, Any] = {
        "overlay": ROOT / "configs" / "mnli_v2_base.yaml", "albert_network": "custom", **network, **NO_DROPOUT,
        "albert_net_cfg.seq_length": LENGTH, "train_data_shuffle": False, "train_steps": 2, "log_steps": 1,
        "albert_data_dir": written / "data", "run_dir": written / "run",
    }  # fmt: skip
    head: dict[str, np.ndarray] = {}
    load = run_home.load_start_weights

    def load_and_remember(cell: nn.Cell, plan: RunPlan) -> None:
        load(cell, plan)
        head.update({canonical_name(item.name): item.asnumpy().copy() for item in cell.get_parameters()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_home, "load_start_weights", load_and_remember)
        outcome = classify(keys)
    report = report_of(written / "run", "MNLI_eval")
    assert (report["rows"], report["total_num"]) == (ROWS["dev_matched"], ROWS["dev_matched"])
    assert f"total_num {ROWS['dev_matched']}" in outcome.last_line
    first = first_rows(written)
    logits = first["pooled"] @ head["dense_1.weight"].T + head["dense_1.bias"]
    expected = cross_entropy(logits, first["label_ids"])
    found = records_of(written / "run")[0]["loss"]
    print(f"loss of step 1: {found:.7f}, with TensorFlow's encoder {expected:.7f}")
    assert found == pytest.approx(expected, abs=TOLERANCE)
    assert found == pytest.approx(loss_of_hugging_face(written, head), abs=TOLERANCE)


def loss_of_hugging_face(folder: Path, start: dict[str, np.ndarray]) -> float:
    """Return the loss of the first batch that HF transformers computes."""
    from src.config.sections import NetworkConfig
    from tests.parity.cases import Case
    from tests.parity.reference import reference_outcome

    known = {key: value for key, value in CONFIG.items() if key in NetworkConfig.model_fields}
    network = NetworkConfig(**known, classifier_dropout_prob=0.0, seq_length=LENGTH)
    weights = read_input(folder / "data" / "albert_tiny").weights
    head = {name: values for name, values in start.items() if name.startswith("dense_1")}
    records = folder / "data" / "MNLI_dataset" / "MNLI_train.tf_record"
    tensorflow("read", records.parent / "MNLI_meta_data", records, folder / "train.npz")
    columns = {name: values[:4].astype(np.int32) for name, values in arrays(folder / "train.npz").items()}
    batch = {
        "input_ids": columns["input_word_ids"],
        "input_mask": columns["input_mask"],
        "segment_ids": columns["input_type_ids"],
        "label_ids": columns["label_ids"],
    }
    case = Case("first step", "classification", 3, network)
    return float(reference_outcome(case, {**weights, **head}, batch).loss)


def test_both_converters_write_the_same_records(written: Path) -> None:
    ours = written / "ours"
    words = [
        f"--input_data_dir={written / 'MNLI'}/", f"--vocab_file={written / 'vocab.txt'}",
        f"--train_data_output_path={ours / 'MNLI_train.tf_record'}",
        f"--eval_data_output_path={ours / 'MNLI_eval.tf_record'}",
        f"--meta_data_file_path={ours / 'MNLI_meta_data'}", "--fine_tuning_task_type=classification",
        f"--max_seq_length={LENGTH}", "--classification_task_name=MNLI", "--tokenization=WordPiece",
    ]  # fmt: skip
    convert(words)
    theirs = written / "data" / "MNLI_dataset"
    for split, count in (("train", ROWS["train"]), ("eval", ROWS["dev_matched"])):
        found = []
        for folder in (ours, theirs):
            target = written / f"{folder.name}_{split}.npz"
            tensorflow("read", folder / "MNLI_meta_data", folder / f"MNLI_{split}.tf_record", target)
            found.append(arrays(target))
        assert {name: values.shape for name, values in found[0].items()} == {
            "input_word_ids": (count, LENGTH), "input_mask": (count, LENGTH), "input_type_ids": (count, LENGTH),
            "label_ids": (count,),
        }  # fmt: skip
        for name in found[0]:
            assert found[0][name].tobytes() == found[1][name].tobytes(), name
    our_meta, their_meta = (json.loads((folder / "MNLI_meta_data").read_text()) for folder in (ours, theirs))
    assert our_meta == {key: value for key, value in their_meta.items() if key in our_meta}
    assert set(their_meta) - set(our_meta) <= {"has_sample_weights"}
