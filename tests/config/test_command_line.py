from __future__ import annotations

import sys
from pathlib import Path

import pytest

from src.config.load import PROJECT_ROOT, load_config
from src.config.options import GROUP_ORDER, list_options
from src.config.schemas import SCHEMAS
from tests.measured import run_measured

HELP_SCRIPT = """
import sys
from src.config.load import load_config
try:
    load_config("classifier", ["--help"])
except SystemExit as ended:
    assert ended.code == 0
heavy = sorted({name.split(".")[0] for name in sys.modules} & {"mindspore", "numpy", "torch", "sentencepiece"})
print("HEAVY", heavy)
"""


def help_of(task: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        load_config(task, [*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_needs_less_than_a_second_and_no_mindspore() -> None:
    done, used_s = run_measured([sys.executable, "-c", HELP_SCRIPT], cwd=PROJECT_ROOT)
    assert done.stdout.endswith("HEAVY []\n")
    assert "--epoch_num N" in done.stdout
    assert used_s < 0.8


@pytest.mark.parametrize("task", ["classifier", "squad", "pretrain"])
def test_help_lists_every_option_under_its_group(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(task, [], capsys)
    for option in list_options(SCHEMAS[task]).values():
        assert f"--{option.name} " in text
        assert option.description, option.name
        assert f"\n{option.group}:\n" in text
    positions = [text.index(f"\n{group}:\n") for group in GROUP_ORDER if f"\n{group}:\n" in text]
    assert positions == sorted(positions)


def test_help_shows_the_values_of_the_chosen_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("epoch_num: 17\nalbert_network: large\n")
    # On one line: a narrow terminal breaks the descriptions.
    text = " ".join(help_of("classifier", ["--config_path", str(path), "--train_batch_size=48"], capsys).split())
    assert "passes over the training data [17]" in text
    assert "rows of a training batch on each device [48]" in text
    assert "size D of the encoder's hidden states [1024]" in text
    assert str(path) in text


def test_help_is_shown_although_the_yaml_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("epoch_num: [\n")
    text = help_of("classifier", ["--config_path", str(path)], capsys)
    assert "--epoch_num N" in text
    assert f"note: {path}:2: not valid yaml" in text


def test_short_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_config("classifier", ["-h"])
    assert "usage:" in capsys.readouterr().out


def test_help_and_print_config_can_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_config("classifier", ["--help=false", "--print_config", "false", "--dry_run=0"]).dry_run is False
    assert capsys.readouterr().out == ""
