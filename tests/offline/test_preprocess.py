from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.files import sha256_of
from src.data.table import read_table
from src.offline.batch_folder import write_batches
from src.offline.manifest import read_offline_manifest
from tests.data.record_samples import foreign_row, write_foreign
from tests.entry.runs import LENGTH, Outcome, TinyData, call, content_of
from tests.offline.application import change_task, make_model
from tests.offline.samples import check_refused
from tests.tasks import squad_runs

INPUTS = {"00_data": "input_ids", "01_data": "input_mask", "02_data": "segment_ids"}
Data = dict[str, TinyData]
Exported = Callable[..., Path]


def preprocess(*given: Any) -> Outcome:
    return call("preprocess", given)


def refused(*given: Any, what: str) -> None:
    check_refused(preprocess(*given), what)


@pytest.mark.parametrize("task", ["sst-2", "rte", "sts-b", "names"])
def test_files_hold_the_rows_and_the_labels(task: str, tiny_data: Data, tmp_path: Path) -> None:
    records = tiny_data[task].file("dev")
    folder = tmp_path / "out"
    outcome = preprocess("--eval_data_file_path", records, "--eval_batch_size", 8, "--result_path", folder)
    assert outcome.status == 0, outcome.err
    table, manifest = read_table(records), read_offline_manifest(folder)
    size = -(-table.rows // 8)
    assert (manifest.rows, manifest.batch_size, manifest.length) == (table.rows, 8, LENGTH)
    assert outcome.out.endswith(f"{table.rows} rows in {size} batches of 8 x {LENGTH} tokens\n")
    assert [file.rows for file in manifest.files] == [*[8] * (size - 1), table.rows - 8 * (size - 1)]
    names = [file.name for file in manifest.files]
    assert names[0].endswith("_batch_8_000000.bin")
    for number, file in enumerate(manifest.files):
        rows = np.arange(number * 8, number * 8 + file.rows)
        batch = table.batch(rows, 8, LENGTH)
        for name, column in INPUTS.items():
            values = np.fromfile(folder / name / file.name, "<i4").reshape(8, LENGTH)
            np.testing.assert_array_equal(values, batch[column])
        dtype = "<f4" if task == "sts-b" else "<i4"
        labels = np.fromfile(folder / "03_data" / file.name, dtype).reshape(8, -1)
        np.testing.assert_array_equal(labels[: file.rows], batch["label_ids"][: file.rows].reshape(file.rows, -1))
        filler = {"sts-b": np.nan, "names": -100}.get(task, -1)
        np.testing.assert_array_equal(labels[file.rows :], np.full_like(labels[file.rows :], filler))
    assert {path.name for name in (*INPUTS, "03_data") for path in (folder / name).iterdir()} == set(names)


def test_rows_without_labels_are_marked(tiny_data: Data, tmp_path: Path) -> None:
    given = ("--eval_data_file_path", tiny_data["sst-2"].file("test"), "--eval_batch_size", 4)
    assert preprocess(*given, "--result_path", tmp_path / "out").status == 0
    labels = [np.fromfile(path, "<i4") for path in (tmp_path / "out" / "03_data").iterdir()]
    assert set(np.concatenate(labels).tolist()) == {-1}


def test_a_model_decides_sizes_labels_and_vocabulary(exported: Exported, tiny_data: Data, tmp_path: Path) -> None:
    model, folder = exported(rows=5), tmp_path / "out"
    records = tiny_data["sst-2"].file("dev")
    outcome = preprocess("--model", model, "--eval_data_file_path", records, "--result_path", folder)
    assert outcome.status == 0, outcome.err
    manifest = read_offline_manifest(folder)
    assert (manifest.batch_size, manifest.length, manifest.task) == (5, LENGTH, "sst2")
    assert manifest.model is not None
    assert manifest.model.file == "tiny.mindir"
    assert (folder / "tokenizer" / "vocab.txt").read_bytes() == tiny_data["sst-2"].vocabulary.read_bytes()
    again = tmp_path / "again"
    by_json = ("--model", model.with_suffix(".json"), "--eval_data_file_path", records, "--result_path", again)
    assert preprocess(*by_json).status == 0
    assert content_of(again) == content_of(folder)


@pytest.mark.parametrize(
    ("sizes", "values", "what"),
    [
        ((None, None), {}, "the model takes batches of any size"),
        ((8, None), {}, "the model takes batches of any size"),
        ((8, 16), {"format": "ONNX"}, "this is a model in the format ONNX, and ascend310_infer runs MindIR"),
        ((8, 16), {"encryption": "AES-GCM"}, "the model is encrypted (AES-GCM)"),
    ],
)
def test_models_that_the_application_cannot_run(
    sizes: tuple[int | None, int | None],
    values: dict[str, str],
    what: str,
    exported: Exported,
    tiny_data: Data,
    tmp_path: Path,
) -> None:
    model = exported(*sizes)
    place = model.with_suffix(".json")
    place.write_text(json.dumps(json.loads(place.read_text()) | values))
    given = ("--model", model, "--eval_data_file_path", tiny_data["sst-2"].file("dev"))
    refused(*given, "--result_path", tmp_path / "out", what=what)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--eval_batch_size", 4], "the model takes 8 rows of a batch, not 4"),
        (["--seq_length", 12], "the model takes 16 tokens of a row, not 12"),
        (["--num_class", 3], "the model has 2 outputs, not 3"),
        (["--task_type", "squadv1"], "the model tiny.mindir is for classification"),
        (["--task_type", "mrpc"], "the records are those of SST-2, not of MRPC"),
        (["--task_type", "mnli"], "which MNLI is not"),
        (["--do_lower_case", "false"], "the model was trained with do_lower_case true"),
    ],
)
def test_options_that_contradict_the_model_or_the_data(
    given: list[object], what: str, exported: Exported, tiny_data: Data, tmp_path: Path
) -> None:
    records = ("--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--result_path", tmp_path / "out")
    refused("--model", exported(), *records, *given, what=what)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["rte", "sts-b", "names"])
def test_records_that_are_not_for_the_model(task: str, exported: Exported, tiny_data: Data, tmp_path: Path) -> None:
    given = ("--eval_data_file_path", tiny_data[task].file("dev"), "--result_path", tmp_path / "out")
    refused("--model", exported(), *given, what="the records are not for tiny.mindir")


def test_records_of_another_vocabulary(exported: Exported, tiny_data: Data, tmp_path: Path) -> None:
    model = exported()
    change_task(model, tokenizer_sha256="0" * 64)
    given = ("--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--result_path", tmp_path / "out")
    refused("--model", model, *given, what="vocabulary")


def test_a_damaged_model(exported: Exported, tiny_data: Data, tmp_path: Path) -> None:
    model = exported()
    model.write_text(model.read_text() + " ")
    given = ("--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--result_path", tmp_path / "out")
    refused("--model", model, *given, what="checksum")


def test_a_pretrained_network_answers_nothing(exported: Exported, tiny_data: Data, tmp_path: Path) -> None:
    model = exported()
    content = json.loads(model.with_suffix(".json").read_text())
    rows, length = content["inputs"][0]["shape"]
    hidden = content["task"]["network"]["hidden_size"]
    shapes = {"sequence_output": [rows, length, hidden], "pooled_output": [rows, hidden]}
    outputs = [{"name": name, "dtype": "float32", "shape": shape} for name, shape in shapes.items()]
    model.with_suffix(".json").write_text(json.dumps(content | {"part": "encoder", "outputs": outputs}))
    given = ("--model", model, "--eval_data_file_path", "dev.mindrecord", "--result_path", tmp_path / "out")
    refused(*given, what="the model gives no labels")


def test_missing_data_are_told_before_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "preprocess_result").mkdir()
    (tmp_path / "preprocess_result" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    refused(what="no data are given")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([], "no data are given"),
        (["--eval_data_file_path", "absent.mindrecord"], "absent.mindrecord"),
        (["--task_type", "squadv1"], "SQuAD is scored with its json file"),
        (
            ["--task_type", "squadv1", "--eval_json_path", "absent.json"],
            "questions cannot be read without a vocabulary",
        ),
        (["--task_type", "squad9"], "there is no task"),
        (["--eval_batch_size", "0"], "--eval_batch_size"),
        (["--eval_data_file", "x"], "did you mean --eval_data_file_path?"),
        (["--model", "absent.mindir", "--eval_data_file_path", "dev.mindrecord"], "absent.mindir"),
    ],
)
def test_options_that_cannot_be(given: list[object], what: str, tmp_path: Path) -> None:
    refused(*given, "--result_path", tmp_path / "out", what=what)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "labels"), [(["--num_class", 3], ["0", "1", "2"]), (["--task_type", "sst2"], ["0", "1"])]
)
def test_records_of_other_programs(given: list[object], labels: list[str], tmp_path: Path) -> None:
    records = write_foreign(tmp_path / "dev.tf_record", [foreign_row(label=number % 2) for number in range(5)])
    asked = ("--eval_data_file_path", records, "--result_path", tmp_path / "out")
    refused(*asked, what="the records do not name their classes")
    assert preprocess(*asked, *given).status == 0
    manifest = read_offline_manifest(tmp_path / "out")
    assert (manifest.labels, manifest.rows) == (labels, 5)
    assert manifest.data.sha256 == [sha256_of(records)]


def test_rows_that_are_too_long(tiny_data: Data, tmp_path: Path) -> None:
    records = tiny_data["sst-2"].file("dev")
    refused("--eval_data_file_path", records, "--seq_length", 4, "--result_path", tmp_path / "out", what="at most 4")


def test_another_vocabulary_than_that_of_the_records(tiny_data: Data, tmp_path: Path) -> None:
    other = tmp_path / "vocab.txt"
    other.write_text(tiny_data["sst-2"].vocabulary.read_text() + "more\n")
    given = ("--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--vocab_file_path", other)
    refused(*given, "--result_path", tmp_path / "out", what="is not the one that the records were made with")


def test_older_files_go_as_a_whole_or_stay(tiny_data: Data, tmp_path: Path) -> None:
    folder, records = tmp_path / "out", tiny_data["sst-2"].file("dev")
    given = ("--eval_data_file_path", records, "--result_path", folder, "--eval_batch_size")
    assert preprocess(*given, 4).status == 0
    before = content_of(folder)
    refused(*given, 20, what="--overwrite true")
    refused(*given, 20, "--overwrite", "true", "--seq_length", 4, what="at most 4")
    assert content_of(folder) == before
    assert preprocess(*given, 20, "--overwrite", "true").status == 0
    assert {path.name for path in (folder / "00_data").iterdir()} == {
        "sst2_batch_20_000000.bin",
        "sst2_batch_20_000001.bin",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["thesis.txt", "00_data/mnli_batch_1_0.bin", "03_data/deep/x.bin"])
def test_files_of_somebody_else_stay(name: str, tiny_data: Data, tmp_path: Path) -> None:
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("mine")
    before = content_of(tmp_path)
    given = ("--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--result_path", tmp_path / "out")
    refused(*given, "--overwrite", "true", what="which preprocess.py has not written")
    assert content_of(tmp_path) == before


def test_a_failure_in_the_middle_leaves_the_older_files(tiny_data: Data, tmp_path: Path) -> None:
    folder, records = tmp_path / "out", tiny_data["sst-2"].file("dev")
    assert preprocess("--eval_data_file_path", records, "--result_path", folder).status == 0
    before, manifest, table = content_of(folder), read_offline_manifest(folder), read_table(records)

    def fails(rows: np.ndarray, batch: object) -> np.ndarray:
        if rows[0] > 3:
            raise KeyboardInterrupt
        return rows

    with pytest.raises(KeyboardInterrupt):
        write_batches(folder, manifest, table, fails, None, overwrite=True)
    assert content_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def squad(tmp_path: Path) -> tuple[Path, Path]:
    """Return a run on SQuAD with random weights and a json file."""
    (tmp_path / "words").mkdir()
    vocabulary = squad_runs.write_vocabulary(tmp_path / "words" / "vocab.txt")
    squad_runs.make_run(tmp_path / "run", vocabulary, squad_runs.settings_of())
    squad_runs.write_squad(tmp_path / "dev.json")
    return tmp_path / "run", tmp_path / "dev.json"


def test_squad_takes_settings_and_vocabulary_of_the_model(squad: tuple[Path, Path], tmp_path: Path) -> None:
    model = make_model(tmp_path / "export" / "squad.mindir", squad[0], rows=4, length=squad_runs.LENGTH)
    cache, folder = tmp_path / "features.npz", tmp_path / "out"
    given = ("--model", model, "--eval_data_file_path", cache, "--eval_json_path", squad[1], "--result_path", folder)
    outcome = preprocess(*given, "--task_type", "squadv1", "--n_best_size", 3)
    assert outcome.status == 0, outcome.err
    manifest = read_offline_manifest(folder)
    assert manifest.task == "squadv1"
    assert cache.is_file()
    assert manifest.answers is not None
    assert (manifest.answers.doc_stride, manifest.answers.n_best_size) == (squad_runs.STRIDE, 3)
    numbers = np.concatenate([np.fromfile(path, "<i4") for path in sorted((folder / "03_data").iterdir())])
    expected = 1_000_000_000 + np.arange(manifest.rows)
    np.testing.assert_array_equal(numbers, [*expected, *[-1] * (len(numbers) - manifest.rows)])
    again = preprocess("--model", model, "--eval_data_file_path", squad[1], "--result_path", tmp_path / "again")
    assert again.status == 0, again.err
    assert content_of(tmp_path / "again" / "00_data") == content_of(folder / "00_data")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--squad_head", "beam"], "the model has head span, not beam"),
        (["--task_type", "sst2"], "questions about passages (SQuAD)"),
        (["--max_query_length", 60, "--eval_batch_size", 4, "--seq_length", 30], "tokens of a row"),
    ],
)
def test_options_that_contradict_a_model_on_squad(
    given: list[object], what: str, squad: tuple[Path, Path], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "export" / "squad.mindir", squad[0], rows=4, length=squad_runs.LENGTH)
    refused("--model", model, "--eval_json_path", squad[1], "--result_path", tmp_path / "out", *given, what=what)


def test_questions_without_answer_need_version_2(squad: tuple[Path, Path], tmp_path: Path) -> None:
    content = json.loads(squad[1].read_text())
    row = content["data"][0]["paragraphs"][0]["qas"][0]
    row |= {"answers": [], "is_impossible": True}
    squad[1].write_text(json.dumps(content))
    words = ("--vocab_file_path", tmp_path / "words" / "vocab.txt", "--seq_length", 24, "--max_query_length", 6)
    given = ("--eval_json_path", squad[1], *words, "--doc_stride", 5, "--result_path", tmp_path / "out")
    refused(*given, "--task_type", "squadv1", what="1 questions of")
    assert preprocess(*given).status == 0
    manifest = read_offline_manifest(tmp_path / "out")
    assert manifest.task == "squadv2"
    refused(*given, "--task_type", "squadv1", "--squad_head", "beam", "--overwrite", "true", what="squadv2")


def test_a_pickle_of_the_old_command_is_refused(squad: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "features.pkl").write_bytes(b"\x80\x04K\x01.")
    given = ("--task_type", "squadv1", "--eval_data_file_path", tmp_path / "features.pkl", "--eval_json_path", squad[1])
    refused(*given, "--result_path", tmp_path / "out", what="pickle")
