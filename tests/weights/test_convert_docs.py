"""The commands of docs/checkpoints.md, run on small random checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from src.common.cli import run_command
from src.weights import convert_command, read_weight_command, save_weight_command
from src.weights.read_input import read_input
from tests.readme_commands import ROOT, WEIGHTS, blocks_of, outputs, words_of
from tests.weights.convert_samples import config_file, google, hugging, saved
from tests.weights.names_samples import network, weights_of

CONFIG = network(hidden_act="gelu_new")
MAINS = {
    "convert.py": convert_command.main,
    "read_weight_tf.py": read_weight_command.main,
    "save_weight_ms.py": save_weight_command.main,
}


def make_inputs(folder: Path) -> None:
    google(folder / "albert_base", "cls1", "cls2", config=CONFIG)
    google(folder / "albert_zh", config=CONFIG)
    (folder / "albert_zh" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-best"\n')
    (folder / "albert_hub").mkdir()
    google(folder / "albert_hub" / "variables", config=CONFIG)
    (folder / "albert_hub" / "variables" / "albert_config.json").rename(folder / "albert_hub" / "albert_config.json")
    hugging(folder / "albert_hf", config=CONFIG)
    old = weights_of(CONFIG, "cls2")
    saved(
        folder / "old" / "albert.ckpt", {**old, "cls2.dense.weight": np.ascontiguousarray(old["cls2.dense.weight"].T)}
    )
    config_file(folder / "old", CONFIG)
    saved(folder / "runs" / "cola" / "checkpoints" / "classifier-best.ckpt", weights_of(CONFIG, "dense_1"))
    content = {"albert_network": "custom", "albert_net_cfg": CONFIG.model_dump()}
    (folder / "runs" / "cola" / "config.yaml").write_text(yaml.safe_dump(content))


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [
        command
        for block in blocks_of(ROOT / "docs" / "checkpoints.md")
        for command in block.commands
        if command.startswith(WEIGHTS)
    ]
    assert len(commands) >= 12
    for command in commands:
        words = words_of(command)
        status = run_command(MAINS[Path(words[1]).name], words[2:])
        assert status == 0, (command, capsys.readouterr().err)
        assert all(Path(name).exists() or Path(f"{name}.index").exists() for name in outputs(command)), command
    assert read_input(Path("weights/more_tokens.ckpt")).network.vocab_size == 30100
    assert read_input(Path("weights/mended.safetensors")).weights["cls2.dense.weight"].shape == (2, 6)
