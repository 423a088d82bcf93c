"""export.py finds out whose configuration it is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError
from src.common.files import write_json_atomic
from src.config.export_config import INTRODUCTION, load_export_config
from src.config.load import PROJECT_ROOT, load_config

TASKS = ("classifier", "squad", "pretrain")
YAML = {
    "classifier": "task_classifier_config.yaml",
    "squad": "task_squad_config.yaml",
    "pretrain": "pretrain_config.yaml",
}


def make_run(folder: Path, task: Any, *argv: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(load_config(task, argv).to_yaml(), encoding="utf-8")
    write_json_atomic(folder / "environment.json", {"run_format": 1})
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_yaml_tells_the_task(task: str) -> None:
    loaded = load_export_config(["--config_path", str(PROJECT_ROOT / YAML[task]), "--export_ckpt_file", "x.ckpt"])
    assert loaded.task == task
    assert loaded.values.export_ckpt_file == "x.ckpt"


@pytest.mark.parametrize(
    ("text", "argv", "task"),
    [
        ("squad_head: span\n", [], "squad"),
        ("num_class: 3\n", [], "classifier"),
        ("seed: 1\n", ["--eval_json_path", "x"], "squad"),
        ("custom_net_cfg: {hidden_size: 8, num_attention_heads: 2}\n", [], "pretrain"),
        ("seed: 1\n", [], "classifier"),
    ],
)
def test_few_keys_tell_the_task(tmp_path: Path, text: str, argv: list[str], task: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_export_config(["--config_path", str(path), *argv]).task == task


@pytest.mark.parametrize("task", TASKS)
def test_a_run_is_its_configuration(tmp_path: Path, task: str) -> None:
    run = make_run(tmp_path / "run", task, "--seed", "77")
    for argv in (["--run_dir", str(run)], ["--config_path", str(run / "config.yaml")]):
        loaded = load_export_config(argv)
        assert (loaded.task, loaded.values.seed) == (task, 77)
        assert loaded.run_directory() == run


def test_a_checkpoint_inside_a_run_names_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "squad", "--seed", "77")
    loaded = load_export_config(["--export_ckpt_file", str(run / "checkpoints" / "squad-best.ckpt")])
    assert (loaded.task, loaded.values.seed) == ("squad", 77)


def test_what_training_needs_is_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("do_train: true\ndo_eval: true\nnum_class: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config("classifier", ["--config_path", str(path)])
    assert not load_export_config(["--config_path", str(path)]).values.do_train


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing is named that could be exported -> give --run_dir RUN"),
        (["--file_format", "ONNX"], "nothing is named that could be exported"),
        (["--export_ckpt_file", "elsewhere.ckpt"], "nothing is named that could be exported"),
        (["--run_dir", "."], "this is not a run directory"),
        (["--run_dir", "missing"], "this is not a run directory"),
        (["--config_path", "missing.yaml"], "missing.yaml: no such file"),
    ],
)
def test_nothing_to_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        load_export_config(argv)


def test_errors_of_the_configuration_are_told(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("squad_head: span\nexport_bach_size: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean export_batch_size"):
        load_export_config(["--config_path", str(path)])


def test_help_begins_with_examples_and_needs_no_mindspore() -> None:
    code = (
        "import runpy, sys; sys.argv = ['export.py', '--help']\n"
        "try:\n    runpy.run_path('export.py', run_name='__main__')\n"
        "except SystemExit as end:\n    print('status', end.code, 'mindspore' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(INTRODUCTION)
    assert "--export_dynamic" in done.stdout
    assert done.stdout.rstrip().endswith("status 0 False")
