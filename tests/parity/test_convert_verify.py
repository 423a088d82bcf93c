"""The comparison of outputs that ``convert.py`` makes, against HF transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.weights.read_input import read_input
from tests.weights.convert_samples import CONFIG, convert, hugging, refused, saved
from tests.weights.names_samples import weights_of

torch = pytest.importorskip("torch", reason="the comparison needs torch")
transformers = pytest.importorskip("transformers", reason="the comparison needs transformers")

from src.weights.verify_huggingface import compare_with_huggingface  # noqa: E402

OUTPUTS = {
    "AlbertModel": {"hidden states", "pooled"},
    "AlbertForPreTraining": {"hidden states", "masked tokens", "order"},
    "AlbertForMaskedLM": {"hidden states", "masked tokens"},
    "AlbertForSequenceClassification": {"hidden states", "classes"},
    "AlbertForTokenClassification": {"hidden states", "classes of tokens"},
    "AlbertForQuestionAnswering": {"hidden states", "answers"},
    "AlbertForMultipleChoice": {"hidden states", "classes"},
}
HEAD_WEIGHTS = ("cls1.dense.weight", "cls2.dense.weight", "dense_1.weight", "dense1.weight")


def save_theirs(folder: Path, architecture: str, **changes: Any) -> Path:
    torch.manual_seed(3)
    sizes = {
        "vocab_size": 50, "embedding_size": 8, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3,
        "intermediate_size": 40, "max_position_embeddings": 16, "num_hidden_groups": 2, "inner_group_num": 2,
    }  # fmt: skip
    model = getattr(transformers, architecture)(transformers.AlbertConfig(**{**sizes, **changes}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", OUTPUTS)
def test_every_head_is_compared_and_a_changed_weight_is_found(tmp_path: Path, architecture: str) -> None:
    folder = save_theirs(tmp_path / "hf", architecture)
    read = read_input(folder)
    comparison = compare_with_huggingface(folder, read.weights, read.network)
    assert set(comparison.differences) == OUTPUTS[architecture]
    comparison.require_equal("")
    for changed in ("albert_encoder.group.1.inner_group.1.attention.attention.query_layer.weight", *HEAD_WEIGHTS):
        if changed in read.weights:
            spoiled = {**read.weights, changed: np.ascontiguousarray(read.weights[changed][:, ::-1])}
            with pytest.raises(CheckpointError, match="outputs differ"):
                compare_with_huggingface(folder, spoiled, read.network).require_equal("file")


def test_the_command_prints_the_largest_difference(tmp_path: Path) -> None:
    folder = save_theirs(tmp_path / "hf", "AlbertForPreTraining")
    text = convert(folder, tmp_path / "w.ckpt", "--verify", "true", "--vocab_size", 60)
    line = next(line for line in text.splitlines() if line.startswith("compared with HF transformers"))
    assert "hidden states" in line
    assert "masked tokens" in line
    assert "order" in line
    text = convert(tmp_path / "w.ckpt", tmp_path / "back", "--verify", "true")
    assert "compared with HF transformers" in text


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_activations_are_compared(tmp_path: Path, activation: str) -> None:
    folder = save_theirs(tmp_path / "hf", "AlbertModel", hidden_act=activation)
    text = convert(folder, tmp_path / "w.ckpt", "--verify", "true")
    assert ("set hidden_act to gelu" in text) == (activation == "gelu")


def test_a_wrong_configuration_fails_the_comparison_and_leaves_nothing(tmp_path: Path) -> None:
    folder = save_theirs(tmp_path / "hf", "AlbertModel", hidden_act="relu")
    convert(folder, tmp_path / "w.ckpt")
    text = (tmp_path / "w.yaml").read_text()
    assert "hidden_act: relu" in text
    (tmp_path / "wrong.yaml").write_text(text.replace("hidden_act: relu", "hidden_act: gelu"))
    message = refused(folder, tmp_path / "new.ckpt", "--config", tmp_path / "wrong.yaml")
    assert "outputs differ from those of HF transformers" in message
    assert not (tmp_path / "new.ckpt").exists()
    convert(folder, tmp_path / "new.ckpt", "--config", tmp_path / "wrong.yaml", "--verify", "false")


def test_a_folder_that_they_cannot_load(tmp_path: Path) -> None:
    (hugging(tmp_path / "hf") / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot load it"):
        compare_with_huggingface(tmp_path / "hf", weights_of(CONFIG), CONFIG)


def test_the_beam_head_is_kept_beside_a_bare_model(tmp_path: Path) -> None:
    heads = ("start_logits", "end_logits", "answer_class")
    path = saved(tmp_path / "w.ckpt", weights_of(CONFIG, *heads))
    hugging(tmp_path / "c")
    convert(path, tmp_path / "hf", "--config", tmp_path / "c" / "config.json", "--verify", "true")
    assert read_input(tmp_path / "hf").weights.keys() == weights_of(CONFIG, *heads).keys()
