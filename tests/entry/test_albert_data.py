"""One command on the documented data folder: trains from TensorFlow's checkpoint, and evaluates every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mindspore import nn

from src.config.run_plan import RunPlan
from src.model.names import canonical_name
from src.tasks import run_home
from src.tasks.run_summary import main as summarise
from tests.entry.albert_data import EVAL_ROWS, NETWORK, SHAPE_KEYS, AlbertData, make_albert_data
from tests.entry.runs import (
    ROOT,
    Outcome,
    arguments,
    call,
    classify,
    content_of,
    read_jsonl,
    records_of,
    report_of,
)

pytestmark = pytest.mark.slow

STEPS = 3
KEYS: dict[str, Any] = {
    "overlay": ROOT / "configs" / "mnli_v2_base.yaml",
    **SHAPE_KEYS,
    # The first rows of the file are the first batch.
    "train_data_shuffle": False,
    "train_steps": STEPS,
    "log_steps": 1,
}
LOSS_TOLERANCE = 1e-5


class Trained:
    """A training on the folder: what it printed, and the weights with which it began."""

    def __init__(self, data: AlbertData, run: Path, outcome: Outcome, start: dict[str, np.ndarray]) -> None:
        self.data, self.run, self.outcome, self.start = data, run, outcome, start


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("albert_data")
    data = make_albert_data(folder / "data")
    start: dict[str, np.ndarray] = {}
    load = run_home.load_start_weights

    def load_and_remember(network: nn.Cell, plan: RunPlan) -> None:
        load(network, plan)
        start.update({canonical_name(item.name): item.asnumpy().copy() for item in network.get_parameters()})

    before = content_of(data.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_home, "load_start_weights", load_and_remember)
        outcome = classify(KEYS, {"albert_data_dir": data.folder, "run_dir": folder / "run"})
    assert content_of(data.folder) == before
    return Trained(data, folder / "run", outcome, start)


def test_the_training_begins_with_the_weights_of_the_checkpoint(trained: Trained) -> None:
    assert set(trained.start) == {*trained.data.weights, "dense_1.weight", "dense_1.bias"}
    for name, values in trained.data.weights.items():
        assert trained.start[name].tobytes() == values.tobytes(), name
    assert "loaded 25 parameters from" in trained.outcome.err


def test_the_first_loss_is_that_of_hugging_face(trained: Trained) -> None:
    pytest.importorskip("torch", reason="parity with HF transformers needs torch")
    pytest.importorskip("transformers", reason="parity needs transformers")
    from tests.parity.cases import Case
    from tests.parity.reference import reference_outcome

    first = {name: values[:4] for name, values in trained.data.rows["train"].items()}
    batch = {name: values.astype(np.int32) for name, values in first.items()} | {"label_ids": first["label_ids"][:, 0]}
    case = Case("first step", "classification", 3, NETWORK)
    # HF has the backbone as it was written, not as it was loaded here; the head is drawn by the training.
    head = {name: values for name, values in trained.start.items() if name.startswith("dense_1")}
    expected = float(reference_outcome(case, {**trained.data.weights, **head}, batch).loss)
    found = records_of(trained.run)[0]
    assert found["step"] == 1
    assert found["loss"] == pytest.approx(expected, abs=LOSS_TOLERANCE)


def test_every_evaluation_row_is_counted(trained: Trained) -> None:
    # Two batches of four and a rest of three.
    assert trained.outcome.last_line.startswith("acc_num ")
    assert f"total_num {EVAL_ROWS}" in trained.outcome.last_line
    report = report_of(trained.run, "MNLI_eval")
    assert (report["rows"], report["total_num"]) == (EVAL_ROWS, EVAL_ROWS)
    counts = np.array(report["confusion_matrix"]["counts"])
    labels = trained.data.rows["eval"]["label_ids"][:, 0]
    assert counts.sum(1).tolist() == np.bincount(labels, minlength=3).tolist()


def test_the_run_keeps_paths_and_not_the_folder(trained: Trained) -> None:
    config = yaml.safe_load((trained.run / "config.yaml").read_text())
    folder = trained.data.folder
    assert (config["albert_data_dir"], config["mode"]) == ("", "")
    assert config["load_pretrain_checkpoint_path"] == str(folder / "albert_tiny" / "bert_model.ckpt")
    assert config["eval_data_file_path"] == str(folder / "MNLI_dataset" / "MNLI_eval.tf_record")
    assert config["meta_data_file_path"] == str(folder / "MNLI_dataset" / "MNLI_meta_data")
    assert (trained.run / "assets" / "vocab.txt").is_file()


def test_the_recipe_decides_the_training(trained: Trained) -> None:
    rates = [record["learning_rate"] for record in records_of(trained.run)]
    # A warm-up of a tenth of three updates is none; then the rate falls from 2e-5 to 0 in a straight line.
    assert rates == pytest.approx([2e-5, 2e-5 * 2 / 3, 2e-5 / 3])


def test_mode_predict_takes_the_best_checkpoint_of_the_run(trained: Trained) -> None:
    keys = {"albert_data_dir": trained.data.folder, "run_dir": trained.run, "mode": "predict"}
    classify(KEYS, keys)
    files = list((trained.run / "predictions").glob("*.jsonl"))
    assert [len(read_jsonl(path)) for path in files] == [EVAL_ROWS]


def test_mode_export_only_writes_the_model_of_the_run(trained: Trained, tmp_path: Path) -> None:
    keys = {"run_dir": trained.run, "mode": "export_only", "export_file_name": tmp_path / "model", **SHAPE_KEYS}
    outcome = call("run_classifier", arguments(keys))
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "model.mindir").is_file()


def test_the_summary_of_the_run(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--run_dir", str(trained.run), "--folder", str(tmp_path), "--network", "albert_v2_base"]
    assert summarise([*words, "--elapsed_s", "77"]) == 0
    lines = (tmp_path / "albert_v2_base_bs4_1p_acc.log").read_text().splitlines()
    summary = dict(line.split(" = ") for line in lines)
    assert capsys.readouterr().out.startswith("\n".join(lines))
    report, last = report_of(trained.run, "MNLI_eval"), records_of(trained.run)[-1]
    assert summary["TrainAccuracy"] == f"{report['figures']['accuracy']:.6f}"
    assert summary["ActualLoss"] == f"{last['loss']:.6f}"
    assert summary["E2ETrainingTime"] == "77"
    # Every update has a line: the first is that of the compilation, and counts for nothing.
    first, *rest = records_of(trained.run)
    assert 0 < first["first_update_ms"] <= first["ms_per_step"]
    assert float(summary["TrainingTime"]) == pytest.approx(sum(record["ms_per_step"] for record in rest) / 2, abs=0.01)


def refused(data: Path, run: Path, **more: Any) -> str:
    outcome = call("run_classifier", arguments(KEYS, {"albert_data_dir": data, "run_dir": run}, more))
    assert outcome.status == 2, outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in outcome.err
    assert not run.exists()
    return lines[0]


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    data = make_albert_data(tmp_path / "data")
    file = data.folder / "albert_tiny" / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert "checksum" in refused(data.folder, tmp_path / "run")
    file.unlink()
    assert "bert_model.ckpt.data-00000-of-00001" in refused(data.folder, tmp_path / "run")


def test_records_that_the_meta_data_do_not_describe_are_one_line(tmp_path: Path) -> None:
    data = make_albert_data(tmp_path / "data")
    file = data.folder / "MNLI_dataset" / "MNLI_eval.tf_record"
    content = file.read_bytes()
    # Of eleven rows nine: the writer was killed between two records.
    file.write_bytes(content[: len(content) // EVAL_ROWS * 9])
    error = refused(data.folder, tmp_path / "run")
    assert "MNLI_eval.tf_record" in error
