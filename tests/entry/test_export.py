"""export.py on runs that were trained: the exported model scores the whole dev set as the checkpoint does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config.load import load_config
from src.export import command
from src.export.description import read_description
from src.export.exported import open_exported
from src.export.networks import inference_network
from src.export.place import publish
from src.model.weights import load_weights
from src.tasks.classifier import ClassifierTask
from src.tasks.squad import SquadTask
from tests.entry import squad_support
from tests.entry.pretraining_support import PretrainData
from tests.entry.runs import LENGTH, NETWORK, ROOT, Outcome, TinyData, arguments, call, content_of

Runs = Callable[[str], tuple[Path, Outcome]]
Data = dict[str, TinyData]
ROWS = 4
FORMS: dict[str, dict[str, Any]] = {
    "MINDIR": {"file_format": "MINDIR", "export_batch_size": ROWS},
    "ONNX": {"file_format": "ONNX", "export_batch_size": ROWS},
    "dynamic": {"export_dynamic": True},
}


def export(*keys: dict[str, Any]) -> Outcome:
    return call("export", arguments(*keys))


def best(run: Path) -> Path:
    return next((run / "checkpoints").glob("*-best.ckpt"))


@pytest.mark.slow
@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("task", ["sst-2", "sts-b", "names"])
def test_the_dev_set_scores_the_same(tiny_run: Runs, tiny_data: Data, tmp_path: Path, task: str, form: str) -> None:
    run, _ = tiny_run(task)
    outcome = export({"run_dir": run, "export_file_name": tmp_path / "model"}, FORMS[form])
    assert outcome.status == 0, outcome.err
    assert f"exported {tmp_path / 'model'}." in outcome.out
    assert "largest difference to the checkpoint: " in outcome.out
    (model,) = tmp_path.glob("model.[mo]*[rx]")
    description, network = open_exported(model)
    data = tiny_data[task].keys("dev")
    more = {"load_finetune_checkpoint_path": best(run), "eval_batch_size": ROWS}
    loaded = load_config("classifier", arguments(NETWORK, data, more))
    scorer = ClassifierTask(loaded)
    reference = inference_network(description.task)
    load_weights(reference, best(run), what="all")
    expected, found = scorer.evaluate(reference), scorer.evaluate(network)
    assert found.name == expected.name
    assert found.value == pytest.approx(expected.value, abs=1e-5 if task == "sts-b" else 0.0)
    assert found.figures == pytest.approx(expected.figures, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["v1", "v2 beam"])
def test_questions_are_answered_the_same(tmp_path: Path, variant: str) -> None:
    data = squad_support.make_squad_data(tmp_path)
    run = tmp_path / "run"
    squad_support.answer(squad_support.TRAINING, data.keys(variant, "train", "dev"), {"run_dir": run, "epoch_num": 2})
    keys = data.keys(variant, "dev") | {"load_finetune_checkpoint_path": best(run), "eval_batch_size": ROWS}
    scorer = SquadTask(load_config("squad", arguments(squad_support.NETWORK, keys, {"n_best_size": 6})))
    scores = {}
    for file_format in ("MINDIR", "ONNX"):
        target = tmp_path / f"{file_format}.{file_format.lower()}"
        outcome = export({"run_dir": run, "export_file_name": target}, FORMS[file_format])
        assert outcome.status == 0, outcome.err
        description, network = open_exported(target)
        scores[file_format] = scorer.evaluate(network)
    reference = inference_network(description.task)
    load_weights(reference, best(run), what="all")
    expected = scorer.evaluate(reference)
    for score in scores.values():
        assert score.value == expected.value
        assert score.figures == pytest.approx(expected.figures, abs=1e-4)


@pytest.mark.slow
def test_a_pretraining_run_gives_its_model_and_its_encoder(
    pretrained: tuple[Path, Outcome], pretrain_data: PretrainData, tmp_path: Path
) -> None:
    run, _ = pretrained
    shapes = {}
    for part in ("model", "encoder"):
        target = tmp_path / f"{part}.mindir"
        outcome = export({"run_dir": run, "export_file_name": target, "export_part": part})
        assert outcome.status == 0, outcome.err
        shapes[part] = [len(spec.shape) for spec in read_description(target).outputs]
    assert shapes == {"model": [3], "encoder": [3, 2]}


@pytest.mark.slow
def test_the_documented_options_without_a_run(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    checkpoint = shutil.copy(best(tiny_run("sst-2")[0]), tmp_path / "classifier.ckpt")
    keys = {
        "config_path": ROOT / "task_classifier_config.yaml",
        "export_ckpt_file": checkpoint,
        "export_file_name": tmp_path / "with blank" / "albert",
        "file_format": "MINDIR",
        "task_name": "sst-2",
        "vocab_file_path": tiny_data["sst-2"].vocabulary,
    }
    outcome = export(NETWORK, keys)
    assert outcome.status == 0, outcome.err
    description = read_description(tmp_path / "with blank" / "albert.mindir")
    assert (description.task.labels, description.length) == (("0", "1"), LENGTH)
    assert (tmp_path / "with blank" / "albert.assets" / "vocab.txt").is_file()
    # MindSpore's own remarks are not for people who export.
    assert "WARNING" not in outcome.err + outcome.out


@pytest.mark.slow
def test_overwriting_and_dry_runs(tiny_run: Runs, tmp_path: Path) -> None:
    run, _ = tiny_run("sst-2")
    keys = {"run_dir": run, "export_file_name": tmp_path / "deep" / "model"}
    outcome = export(keys, {"dry_run": True})
    assert outcome.status == 0, outcome.err
    assert "dry run: everything fits, nothing was written" in outcome.err
    assert list(tmp_path.iterdir()) == []
    assert export(keys).status == 0
    before = content_of(tmp_path)
    outcome = export(keys)
    assert outcome.status == 2
    assert "there is an export of this name already -> choose another --export_file_name" in outcome.err
    assert content_of(tmp_path) == before
    outcome = export(keys, {"overwrite": True, "export_batch_size": 2})
    assert outcome.status == 0, outcome.err
    assert read_description(tmp_path / "deep" / "model.mindir").rows == 2
    assert len(content_of(tmp_path)) == len(before)


@pytest.mark.slow
def test_a_model_that_differs_is_not_kept(tiny_run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = tiny_run("sst-2")
    keys = {"run_dir": run, "export_file_name": tmp_path / "model"}
    assert export(keys).status == 0
    before = content_of(tmp_path)
    monkeypatch.setattr(command, "largest_difference", lambda expected, found: 2e-3)
    outcome = export(keys, {"overwrite": True})
    assert outcome.status == 2
    assert "the exported model differs from the checkpoint by 0.002" in outcome.err
    assert content_of(tmp_path) == before


@pytest.mark.slow
def test_a_failure_while_files_change_places_brings_the_earlier_export_back(
    tiny_run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = tiny_run("sst-2")
    keys = {"run_dir": run, "export_file_name": tmp_path / "model"}
    assert export(keys).status == 0
    before = content_of(tmp_path)
    real_replace = os.replace

    def replace(source: Path, destination: Path) -> None:
        if Path(destination) == tmp_path / "model.json" and Path(source).parent.name != "earlier":
            raise OSError(28, "No space left on device")
        real_replace(source, destination)

    def publish_badly(*given: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            publish(*given)

    monkeypatch.setattr(command, "publish", publish_badly)
    outcome = export(keys, {"overwrite": True, "export_batch_size": 2})
    assert outcome.status == 2
    assert "no space left on the device" in outcome.err
    assert content_of(tmp_path) == before
    assert read_description(tmp_path / "model.mindir").rows == 1


def test_mistakes_end_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    yaml = ROOT / "task_classifier_config.yaml"
    cases: dict[str, dict[str, Any]] = {
        "nothing is named that could be exported": {"file_format": "MINDIR"},
        "only an Ascend writes AIR files": {"config_path": yaml, "export_ckpt_file": "x.ckpt", "file_format": "AIR"},
        "no such checkpoint": {"config_path": yaml, "export_ckpt_file": "x.ckpt"},
        "no checkpoint is given": {"config_path": yaml},
        "unknown key export_format": {"config_path": yaml, "export_format": "ONNX"},
        "expected 'MINDIR', 'ONNX' or 'AIR', got 'GEIR'": {"config_path": yaml, "file_format": "GEIR"},
    }
    for message, keys in cases.items():
        outcome = export(keys)
        assert outcome.status == 2
        assert message in outcome.err
        assert "Traceback" not in outcome.err
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_places_that_cannot_be_written(tiny_run: Runs, tmp_path: Path) -> None:
    run, _ = tiny_run("sst-2")
    (tmp_path / "file").touch()
    outcome = export({"run_dir": run, "export_file_name": tmp_path / "file" / "model"})
    assert outcome.status == 2
    assert "a file stands where a folder is needed" in outcome.err
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        outcome = export({"run_dir": run, "export_file_name": tmp_path / "closed" / "model"})
        assert outcome.status == 2
        assert "no permission to write" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave_one_line_and_nothing_else(tiny_run: Runs, tmp_path: Path, number: int) -> None:
    run, _ = tiny_run("sst-2")
    argv = [sys.executable, str(ROOT / "export.py"), "--run_dir", str(run), "--export_file_name", "m"]
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        status, out, err = _signalled(argv, folder, number)
        # The signal may come when everything is done.
        if status != 0:
            break
    assert (status, out) == (130, ""), err
    progress = ("network: ", "loaded ", "compared ")
    assert [line for line in err.splitlines() if not line.startswith(progress)] == ["interrupted"]
    assert list(folder.iterdir()) == []


def _signalled(argv: list[str], folder: Path, number: int) -> tuple[int, str, str]:
    """Run a command in a folder, send it a signal when it has begun to write there, and return how it ended."""
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(folder.iterdir()):
            time.sleep(0.01)
        # By now the network is compiled, to be compared with what is written.
        time.sleep(0.1)
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, out, err
