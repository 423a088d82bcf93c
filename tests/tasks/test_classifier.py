from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.files import sha256_of
from src.config.load import load_config
from src.data.record_schema import IGNORED_LABEL, RecordRow
from src.evaluate.entity_f1 import entity_f1, entity_scores
from src.tasks.classifier import ClassifierTask
from tests.data.record_samples import TOKENIZER, foreign_row, write_foreign, write_sample

LENGTH = 16
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "outside", "begin", "inside"]
THREE = ["contradiction", "entailment", "neutral"]


class Answers(nn.Cell):
    """Answer from the ids: with the class id - 5 of every token, or of the token after [CLS]."""

    def __init__(self, classes: int, per_token: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self.per_token = per_token

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor:
        ids = input_ids.asnumpy() if self.per_token else input_ids.asnumpy()[:, 1]
        return Tensor((ids[..., None] - 5 == np.arange(self.classes)).astype(np.float32))


@pytest.fixture(autouse=True)
def pynative_mode() -> None:
    ms.set_context(mode=ms.PYNATIVE_MODE)


def make_task(**keys: Any) -> ClassifierTask:
    given = {"albert_net_cfg.seq_length": LENGTH, "load_finetune_checkpoint_path": "x.ckpt", **keys}
    return ClassifierTask(load_config("classifier", [text for k, v in given.items() for text in (f"--{k}", str(v))]))


def write_tags(folder: Path, windows: list[tuple[list[int], list[int]]], continued: list[int]) -> dict[str, Any]:
    """Write records from (predicted, expected) tags; return the keys that evaluate and predict them."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(PIECES) + "\n")
    rows = [
        RecordRow(
            [2, *(5 + tag for tag in predicted), 3],
            [0] * (len(predicted) + 2),
            [IGNORED_LABEL, *expected, IGNORED_LABEL],
        )
        for predicted, expected in windows
    ]
    path = folder / "tags.tfrecord"
    write_sample(
        path,
        rows,
        "token_classification",
        settings={"continued_rows": continued},
        tokenizer={**TOKENIZER, "type": "wordpiece", "vocab_size": len(PIECES), "sha256": sha256_of(vocabulary)},
    )
    return {
        "do_eval": True,
        "do_predict": True,
        "eval_data_file_path": path,
        "test_data_file_path": path,
        "vocab_file_path": vocabulary,
    }


# Predicted O B I | I O O, expected O B I | O O O: the entity does not end with the record.
CROSSING = [([0, 1, 2], [0, 1, 2]), ([2, 0, 0], [0, 0, 0])]


@pytest.mark.parametrize("more", [{}, {"eval_data_shuffle": True}])
@pytest.mark.parametrize("size", [1, 3])
def test_entities_are_those_of_whole_sentences(tmp_path: Path, size: int, more: dict[str, Any]) -> None:
    windows = [*CROSSING, ([1, 2], [1, 2]), *CROSSING]
    keys = write_tags(tmp_path, windows, [1, 4])
    task = make_task(**keys, eval_batch_size=size, **more)
    score = task.evaluate(Answers(3, per_token=True))
    # Three entities are there, three are predicted, the one between the crossing ones is right.
    assert (score.figures["f1"], score.report["rows"]) == (pytest.approx(1 / 3), 3)
    task.predict(Answers(3, per_token=True), tmp_path / "out")
    blocks = (tmp_path / "out" / "predictions.conll").read_text().strip("\n").split("\n\n")
    columns = [list(zip(*(line.split("\t") for line in block.splitlines()), strict=True)) for block in blocks]
    again, _ = entity_f1(entity_scores([list(c[2]) for c in columns], [list(c[1]) for c in columns]))
    assert again == score.figures["f1"]


def test_an_entity_that_goes_on_too_far_is_wrong(tmp_path: Path) -> None:
    task = make_task(**write_tags(tmp_path, CROSSING, [1]))
    assert task.evaluate(Answers(3, per_token=True)).figures["f1"] == 0.0
    (tmp_path / "apart").mkdir()
    apart = make_task(**write_tags(tmp_path / "apart", CROSSING, []))
    assert apart.evaluate(Answers(3, per_token=True)).figures["f1"] == pytest.approx(2 / 3)


def test_first_batches_may_part_a_sentence(tmp_path: Path) -> None:
    task = make_task(**write_tags(tmp_path, CROSSING, [1]), eval_batch_size=1)
    score = task.evaluate(Answers(3, per_token=True), max_batches=1)
    assert (score.figures["f1"], score.report["rows"]) == (1.0, 1)


def write_rows(path: Path, labels: list[str], task_name: str, kind: str = "classification") -> Path:
    rows = [RecordRow([2, 5 + number % max(1, len(labels)), 3], [0] * 3) for number in range(4)]
    write_sample(path, rows, kind, labels=labels, task_name=task_name, has_labels=False, split="test")
    return path


def predict(path: Path, classes: int, **keys: Any) -> list[str]:
    task = make_task(do_predict=True, test_data_file_path=path, **keys)
    return [file.name for file in task.predict(Answers(classes), path.parent) if file.suffix == ".tsv"]


@pytest.mark.parametrize(
    ("name", "file"), [("MNLI-mm", "MNLI-mm.tsv"), ("AX", "AX.tsv"), ("MNLI", "MNLI-m.tsv"), ("mnli-m", "MNLI-m.tsv")]
)
def test_the_test_file_names_the_submission(tmp_path: Path, name: str, file: str) -> None:
    path = write_rows(tmp_path / "test.tfrecord", THREE, name)
    assert predict(path, 3, task_name="mnli") == ["predictions.tsv", file]
    assert predict(path, 3) == ["predictions.tsv", file]


def test_the_configuration_names_the_submission_of_rows_without_manifest(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "foreign.tfrecord", [foreign_row(label=label) for label in (0, 1)])
    keys = {"task_kind": "classification", "num_class": 2}
    assert predict(path, 2, **keys, task_name="cola") == ["predictions.tsv", "CoLA.tsv"]
    assert predict(path, 2, **keys) == ["predictions.tsv"]


@pytest.mark.parametrize(
    ("name", "labels", "warned"),
    [("sst", ["0", "1", "2", "3", "4"], False), ("mnli-m", ["no", "yes"], True), ("RTE", ["0", "1"], True)],
)
def test_a_users_task_with_glues_name_has_no_submission(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, labels: list[str], warned: bool
) -> None:
    path = write_rows(tmp_path / "test.tfrecord", labels, name)
    with caplog.at_level("INFO"):
        task = make_task(do_predict=True, test_data_file_path=path)
    # Before any time is spent on training.
    assert ("without a submission file" in caplog.text) == warned
    assert [file.name for file in task.predict(Answers(len(labels)), tmp_path)] == [
        "predictions.jsonl",
        "predictions.tsv",
    ]
    records = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert records[1]["label"] == labels[1]


def test_classes_without_names_are_not_glues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_foreign(tmp_path / "foreign.tfrecord", [foreign_row(label=label) for label in (0, 1, 2)])
    keys = {"task_kind": "classification", "num_class": 3, "task_name": "mnli"}
    with caplog.at_level("INFO"):
        assert predict(path, 3, **keys) == ["predictions.tsv"]
    assert "the records do not name the classes of MNLI" in caplog.text
