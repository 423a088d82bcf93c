"""From records to a score: preprocess.py, the application and postprocess.py, beside the evaluation in Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.tasks.assets import read_task_description
from tests.ascend310_infer.application import MODELS, ROOT, clean_environment
from tests.entry.runs import arguments, call, convert
from tests.fixtures.make_mindir_v1 import OVERLAY, SHAPES
from tests.readme_commands import README, blocks_of

PAGE = ROOT / "docs" / "ascend310_data.md"


def evaluated(command: str, kind: str, **keys: Any) -> str:
    """Return the last line of ``--do_eval`` with the checkpoint of a fixture."""
    run = MODELS / kind / "run"
    network = read_task_description(run / "assets").network
    (checkpoint,) = (run / "checkpoints").glob("*-best.ckpt")
    given = {
        "albert_network": "custom",
        **{f"albert_net_cfg.{key}": value for key, value in network.items()},
        "do_eval": True,
        "load_finetune_checkpoint_path": checkpoint,
        "vocab_file_path": run / "assets" / "vocab.txt",
        **keys,
    }
    outcome = call(command, arguments(given))
    assert outcome.status == 0, outcome.err
    return outcome.last_line


def scored(folder: Path, application: Path, kind: str, *words: Any) -> list[str]:
    """Return the lines of ``acc.log`` that ``run_infer_310.sh`` leaves."""
    script = ["bash", str(ROOT / "scripts" / "run_infer_310.sh"), str(MODELS / kind / "model.mindir")]
    environment = {**clean_environment(), "ALBERT_310_APP": str(application), "PYTHON": sys.executable}
    done = subprocess.run(
        [*script, *map(str, words), "--device", "CPU"],
        cwd=folder,
        env={**environment, "PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "time_result" / "test_perform_static.txt").read_text().startswith("NN inference cost average time")
    return (folder / "acc.log").read_text(encoding="utf-8").splitlines()


def test_a_classifier(application: Path, tmp_path: Path) -> None:
    fixture = MODELS / "classifier"
    named = ["--task_name", "reviews", "--task_kind", "classification", "--labels", "negative,positive"]
    files = ["--dev_file", fixture / "dev.tsv", "--text_a_column", "sentence", "--output_dir", tmp_path]
    form = ["--vocab_path", fixture / "run/assets/vocab.txt", "--max_seq_length", 32, "--file_format", "tfrecord"]
    convert([*named, *files, *form])
    records = tmp_path / "reviews_dev.tfrecord"
    expected = evaluated("run_classifier", "classifier", eval_data_file_path=records, run_dir=tmp_path / "run")
    assert expected == "acc_num 42 , total_num 51, accuracy 0.823529"
    assert expected in scored(tmp_path, application, "classifier", records, "y", "reviews", 0)


def test_squad(application: Path, tmp_path: Path) -> None:
    questions = MODELS / "squad" / "dev-v1.1.json"
    cut = {"max_query_length": 12, "doc_stride": 24, "max_answer_length": 4}
    expected = evaluated("run_squad_v1", "squad", eval_json_path=questions, run_dir=tmp_path / "run", **cut)
    assert expected == '{"exact_match": 88.46153846153847, "f1": 88.46153846153847}'
    assert expected in scored(tmp_path, application, "squad", questions, "y", "squadv1")


def documented(page: Path) -> list[str]:
    """Return the commands of a page that take a fixture: records, the road, and the evaluation in Python."""
    return [command for block in blocks_of(page) for command in block.commands if "tests/fixtures/mindir_v1" in command]


def test_both_pages_show_the_same_commands() -> None:
    assert documented(README) == documented(PAGE)
    assert len(documented(README)) == 3
    with_a_model_of_ours = [
        command
        for page in (README, *(ROOT / "docs").glob("*.md"))
        for block in blocks_of(page)
        for command in block.commands
        if "--device CPU" in command and "mindir_v1" not in command
    ]
    assert with_a_model_of_ours == []


@pytest.mark.parametrize("kind", SHAPES)
def test_the_overlay_is_the_network_of_the_fixture(kind: str) -> None:
    keys = yaml.safe_load((MODELS / kind / OVERLAY).read_text(encoding="utf-8"))
    expected = dict(read_task_description(MODELS / kind / "run" / "assets").network)
    assert keys == {"albert_network": "custom", "albert_net_cfg": expected}


def test_the_documented_commands_run_and_agree(application: Path, tmp_path: Path) -> None:
    for name in ("src", "scripts", "configs", "tests", *(path.name for path in ROOT.glob("*.[py][ya]*"))):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = {**clean_environment(), "ALBERT_310_APP": str(application), "PYTHON": sys.executable}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    last_lines = []
    for command in documented(README):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        last_lines.append(done.stdout.splitlines()[-1])
    assert last_lines[1:] == ["acc_num 42 , total_num 51, accuracy 0.823529"] * 2
    assert last_lines[1] in README.read_text(encoding="utf-8").replace("\n", " ")
