from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.config.float32_operators import (
    ALWAYS_FLOAT32,
    OPERATORS,
    TENSORFLOW_OPERATORS,
    mixlist_path,
    read_float32_operators,
)
from src.config.load import load_config
from src.config.sections import NetworkConfig

# The published list of the TensorFlow fine-tuning.
PUBLISHED = re.split(
    r"\s+",
    """
    Add AddN ApplyAdamD ArgMaxD ConfusionSoftmaxGrad ConfusionTransposeD DivNoNan Equal Gather L2Loss LabelGotoEx
    LabelSet LabelSwitchByIndex LayerNorm LayerNormBetaGammaBackpropV2 LayerNormXBackpropV2 Less LogSoftmaxGrad
    LogSoftmaxV2 Minimum Mul Muls Neg Pack Pow RealDiv Recv ReduceMeanD ReduceSumD ScatterAdd SoftmaxV2 Square
    StridedSliceD StridedSliceGrad TanhGrad UnsortedSegmentSum
    """.strip(),
)
HALF = ["--albert_net_cfg.compute_type", "float16"]


def written(path: Path, *names: str) -> Path:
    path.write_text(json.dumps({"black-list": {"to-add": list(names)}}))
    return path


def test_the_shipped_list_names_known_operators() -> None:
    path = mixlist_path("configs/ops_info.json")
    assert read_float32_operators(path) == ("attention_scores", "masked_lm_scores")
    assert set(json.loads(path.read_text())["black-list"]["to-add"]) <= {*OPERATORS, *ALWAYS_FLOAT32}


def test_the_published_list_asks_for_nothing_that_is_not_float32_already(tmp_path: Path) -> None:
    assert read_float32_operators(written(tmp_path / "ops_info.json", *PUBLISHED)) == ()


def test_operators_of_tensorflow_are_translated(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    assert read_float32_operators(written(path, "BatchMatMulV2", "SoftmaxV2")) == (
        "attention_scores",
        "attention_context",
    )
    assert read_float32_operators(written(path, "MatMulV2")) == tuple(OPERATORS)
    assert {name for names in TENSORFLOW_OPERATORS.values() for name in names} <= {*OPERATORS, *ALWAYS_FLOAT32}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such file"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"blacklist": {}}', "unknown list 'blacklist'"),
        ('{"black-list": []}', "no to-add"),
        ('{"black-list": {"to-add": "output"}}', "no list of names"),
        ('{"black-list": {"to-add": [1]}}', "no list of names"),
        ('{"white-list": {"to-add": ["output"]}}', "only what stays float32"),
        ('{"black-list": {"to-add": ["querry_layer"]}}', "did you mean query_layer?"),
        ('{"black-list": {"to-add": ["SoftMaxV2"]}}', "did you mean SoftmaxV2?"),
    ],
)
def test_wrong_lists_are_refused_with_the_file(text: str | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config("classifier", ["--use_mixlist", "--mixlist_file", str(path), *HALF])
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)


def test_a_list_adds_to_the_operators_that_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "own.json", "output", "layernorm")
    arguments = ["--use_mixlist", "--mixlist_file", str(path), "--albert_net_cfg.float32_operators", "query_layer"]
    loaded = load_config("classifier", [*arguments, *HALF])
    assert loaded.network().float32_operators == ("query_layer", "output")
    assert not loaded.notices
    assert "no effect" in load_config("classifier", arguments).notices[0]


@pytest.mark.parametrize("name", ["softmax", "outputs"])
def test_the_networks_key_takes_operators_with_a_choice_only(name: str) -> None:
    with pytest.raises(ConfigError, match=r"always float32|did you mean"):
        load_config("classifier", ["--albert_net_cfg.float32_operators", name])


def test_the_shipped_list_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_float32_operators(mixlist_path("configs/ops_info.json"))


def test_the_type_of_an_operator() -> None:
    network = NetworkConfig(compute_type="float16", float32_operators=("output",))
    assert (network.compute_type_of("output"), network.compute_type_of("intermediate")) == ("float32", "float16")
