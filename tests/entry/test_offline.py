"""The road of Ascend 310 without its hardware: the score of answers in files is that of ``--do_eval``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.entry.runs import NETWORK, Outcome, TinyData, call, classify
from tests.entry.squad_support import NETWORK as SQUAD_NETWORK
from tests.entry.squad_support import TRAINING, VARIANTS, SquadFiles, answer, make_squad_data
from tests.offline.application import make_model, run_application

Runs = Callable[[str], tuple[Path, Outcome]]
BATCH = 8

pytestmark = pytest.mark.slow


def road(model: Path, folder: Path, given: list[object], *, batch: int = BATCH) -> Outcome:
    """Run the three steps; return what the last one printed."""
    inputs, results = folder / "inputs", folder / "results"
    before = call("preprocess", ["--model", model, "--result_path", inputs, *given])
    assert before.status == 0, before.err
    run_application(model, inputs, results, batch)
    places = ["--acc_log", folder / "acc.log", "--predictions_dir", folder / "predictions"]
    return call("postprocess", ["--preprocess_dir", inputs, "--result_dir", results, *places])


@pytest.mark.parametrize("task", ["sst-2", "rte", "sts-b", "names"])
def test_a_classifier_scores_as_by_do_eval(
    task: str, tiny_run: Runs, tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    run, _ = tiny_run(task)
    data = tiny_data[task]
    weights = {"load_finetune_checkpoint_path": run / "checkpoints" / "classifier-best.ckpt"}
    expected = classify(NETWORK, data.keys("dev"), weights, {"run_dir": tmp_path / "eval", "eval_batch_size": BATCH})
    model = make_model(tmp_path / "model" / "tiny.mindir", run, rows=BATCH, length=16)
    found = road(model, tmp_path, ["--eval_data_file_path", data.file("dev")])
    assert found.status == 0, found.err
    assert found.out == expected.out
    assert (tmp_path / "acc.log").read_text() == expected.out
    written = {path.name for path in (tmp_path / "predictions").rglob("*") if path.is_file()}
    assert written == {
        "metrics.json",
        "predictions.jsonl",
        "predictions.conll" if task == "names" else "predictions.tsv",
    }


def test_the_line_of_the_documentation_is_the_last_one(
    tiny_run: Runs, tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "tiny.mindir", tiny_run("sst-2")[0], rows=5, length=16)
    given = ["--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--eval_batch_size", 5, "--task_type", "sst2"]
    found = road(model, tmp_path, given, batch=5)
    assert found.last_line.startswith("acc_num ")
    assert " , total_num 37, accuracy 0." in found.last_line or found.last_line.endswith("accuracy 1.000000")


@pytest.fixture(scope="module")
def squad_files(tmp_path_factory: pytest.TempPathFactory) -> SquadFiles:
    return make_squad_data(tmp_path_factory.mktemp("squad"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_squad_scores_as_by_do_eval(variant: str, squad_files: SquadFiles, tmp_path: Path) -> None:
    run, version = tmp_path / "run", VARIANTS[variant][0]
    answer(TRAINING, squad_files.keys(variant, "train", "dev"), {"run_dir": run, "epoch_num": 4})
    weights = {"load_finetune_checkpoint_path": run / "checkpoints" / "squad-best.ckpt", "run_dir": tmp_path / "eval"}
    rules = {key: TRAINING[key] for key in ("n_best_size", "max_answer_length")}
    expected = answer(rules, squad_files.keys(variant, "dev"), weights, {"eval_batch_size": BATCH})
    model = make_model(
        tmp_path / "tiny.mindir", run, rows=BATCH, length=int(SQUAD_NETWORK["albert_net_cfg.seq_length"])
    )
    found = road(model, tmp_path, ["--eval_json_path", squad_files.questions(version, "dev")])
    assert found.status == 0, found.err
    assert found.out == expected.out
    assert '"f1": 0.0' not in found.last_line
    name = f"squadv{version[1]}"
    ours, theirs = tmp_path / "predictions" / name, tmp_path / "eval" / "predictions" / f"dev-{version}"
    for file in ("predictions.json", "metrics.json"):
        assert (ours / file).read_text() == (theirs / file).read_text()
