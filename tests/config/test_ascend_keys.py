from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from src.common.errors import ConfigError
from src.config.dump_steps import read_dump_steps
from src.config.load import load_config
from src.tasks.run_home import _lasting_config

TRAINS = ["--do_train", "true", "--from_scratch", "true", "--train_data_file_path", "x"]
DOCUMENTED_MODES = ["allow_fp32_to_fp16", "force_fp16", "must_keep_origin_dtype", "allow_mix_precision"]


def error_of(*arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config("classifier", [*arguments])
    return str(caught.value)


@pytest.mark.parametrize("mode", [*DOCUMENTED_MODES, "force_fp32", "allow_mix_precision_bf16"])
@pytest.mark.parametrize("task", ["classifier", "squad", "pretrain"])
def test_precision_modes_of_an_ascend(task: str, mode: str) -> None:
    values = load_config(task, ["--device_target", "Ascend", "--precision_mode", mode.upper()]).values
    assert values.precision_mode == mode


@pytest.mark.parametrize("device", ["CPU", "GPU"])
def test_a_precision_mode_elsewhere_is_refused_with_what_there_is(device: str) -> None:
    error = error_of("--device_target", device, "--precision_mode", "allow_mix_precision")
    assert f"not of a {device}" in error
    assert "compute_type float16" in error


def test_modes_that_hold_everywhere() -> None:
    for mode in ("must_keep_origin_dtype", "force_fp32"):
        assert load_config("classifier", ["--precision_mode", mode]).values.precision_mode == mode
    half = ("--precision_mode", "force_fp32", "--albert_net_cfg.compute_type", "float16")
    assert "use compute_type float32" in error_of(*half)
    # The type of a GPU is float16 where nothing is said.
    assert "use compute_type float32" in error_of(*half[:2], "--device_target", "GPU")


def test_an_unknown_mode_names_all() -> None:
    assert "'force_fp16'" in error_of("--device_target", "Ascend", "--precision_mode", "fp16")


@pytest.mark.parametrize("key", ["auto_tune", "fusion_off_flag"])
@pytest.mark.parametrize("device", ["CPU", "GPU"])
def test_settings_of_an_ascends_compiler(key: str, device: str) -> None:
    assert f"{key} is a setting of an Ascend's compiler" in error_of(f"--{key}", "--device_target", device)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[]", "holds no Switch"),
        ('{"Switch": {"Fusion": {}}}', "holds 'Fusion'"),
        ('{"Switch": {"GraphFusion": {"SoftmaxFusionPass": "of"}}}', "SoftmaxFusionPass neither on nor off"),
    ],
)
def test_wrong_files_of_fusions(content: str | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "fusion_switch.cfg"
    if content is not None:
        path.write_text(content)
    arguments = ["--device_target", "Ascend", "--fusion_off_flag", "true", "--fusion_off_file", str(path)]
    assert expected in error_of(*arguments)
    path.write_text(json.dumps({"Switch": {"GraphFusion": {"ALL": "off"}, "UBFusion": {"ALL": "on"}}}))
    assert load_config("classifier", arguments).values.fusion_off_flag


@pytest.mark.parametrize("key", ["profiling", "enable_profiling", "over_dump", "data_dump_flag"])
def test_looks_into_a_training_need_one(key: str) -> None:
    assert f"{key} looks into a training" in error_of(f"--{key}")
    values = load_config("classifier", [*TRAINS, f"--{key}"]).values
    assert values.looks_into_training
    assert values.profiles == key.endswith("profiling")


def test_a_profile_of_a_dump_is_refused() -> None:
    assert "tells nothing" in error_of(*TRAINS, "--data_dump_flag", "--enable_profiling")


@pytest.mark.parametrize(
    ("text", "steps"), [("10", (10,)), ("0|5-8", (0, 5, 6, 7, 8)), (" 3 | 1 ", (1, 3)), ("2-3|3", (2, 3))]
)
def test_steps_of_a_dump(text: str, steps: tuple[int, ...]) -> None:
    assert read_dump_steps(text) == steps


@pytest.mark.parametrize("text", ["", "a", "1,2", "-1", "5-", "8-5", "0-100", "0-99|200", "0|", "1.5"])
def test_wrong_steps_of_a_dump(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|ends|more|most"):
        read_dump_steps(text)
    assert "data_dump_step" in error_of("--data_dump_step=" + text)


def test_steps_of_a_yaml_file_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("data_dump_step: 7\n")
    assert load_config("squad", ["--config_path", str(path)]).values.data_dump_step == "7"
    path.write_text("data_dump_step: true\n")
    assert "data_dump_step" in error_of("--config_path", str(path))


@pytest.mark.parametrize("steps", ["5", "5,0", "-1,5", "1,2,3"])
def test_wrong_steps_of_a_profile(steps: str) -> None:
    assert "two numbers" in error_of(f"--profile_steps={steps}")


def test_the_run_directory_keeps_precision_and_operators_but_no_diagnostics() -> None:
    given = ["--device_target", "Ascend", "--precision_mode", "force_fp16", "--use_mixlist", "--over_dump"]
    kept = yaml.safe_load(_lasting_config(load_config("classifier", [*TRAINS, *given])))
    assert (kept["precision_mode"], kept["use_mixlist"], kept["over_dump"]) == ("force_fp16", False, False)
    assert kept["albert_net_cfg"]["float32_operators"] == ["attention_scores", "masked_lm_scores"]
