from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pydantic
import pytest
import yaml

from src.common.errors import ConfigError
from src.common.run_directory import RunDirectory
from src.config.load import PROJECT_ROOT, load_config
from src.config.options import list_options
from src.config.schemas import SCHEMAS
from src.config.sections import LossScaleConfig, OptimizerConfig

TASKS = ("classifier", "squad", "pretrain")
OVERLAYS = sorted((PROJECT_ROOT / "configs").glob("*.yaml"))


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_precedence_default_yaml_overlay_command_line(tmp_path: Path) -> None:
    base = write(tmp_path / "a.yaml", "epoch_num: 4\nlog_steps: 4\nseed: 4\n")
    first = write(tmp_path / "b.yaml", "log_steps: 5\nseed: 5\n")
    second = write(tmp_path / "c.yaml", "seed: 6\n")
    values = load_config("classifier", ["--config_path", base, "--overlay", f"{first},{second}"]).values
    assert (values.train_batch_size, values.epoch_num, values.log_steps, values.seed) == (32, 4, 5, 6)
    arguments = ["--seed", "7", "--overlay", second, "--overlay", first, "--config_path", base]
    assert load_config("classifier", arguments).values.seed == 7
    assert load_config("classifier", arguments[2:]).values.seed == 5


def test_the_shipped_yaml_is_read_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config("squad", [])
    assert config.config_path == PROJECT_ROOT / "task_squad_config.yaml"
    write(tmp_path / "own.yaml", "epoch_num: 9\n")
    assert load_config("squad", ["--config_path", "own.yaml"]).values.epoch_num == 9


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_yaml_holds_every_key_and_equals_the_schema(task: str, tmp_path: Path) -> None:
    shipped = load_config(task, [])
    almost_empty = write(tmp_path / "own.yaml", "log_steps: 10\n")
    assert shipped.values == load_config(task, ["--config_path", almost_empty]).values
    text = (PROJECT_ROOT / SCHEMAS[task].yaml_name).read_text()
    parsed = yaml.safe_load(text)
    for path in list_options(SCHEMAS[task]):
        if path[0] in ("large_net_cfg", "xlarge_net_cfg", "xxlarge_net_cfg", "custom_net_cfg"):
            path = path[:1]
        if path[-1] in ("net_structure_type", "gap_size", "num_memory_blocks", "down_scale_factor", "layers_to_keep"):
            continue
        section = parsed
        for name in path:
            assert name in section, ".".join(path)
            section = section[name]


@pytest.mark.parametrize("task", TASKS)
def test_every_key_of_the_shipped_yaml_has_a_comment_above_it(task: str) -> None:
    lines = (PROJECT_ROOT / SCHEMAS[task].yaml_name).read_text().splitlines()
    blocks = ("optimizer_cfg:", "AdamWeightDecay:", "Lamb:", "Momentum:")
    for above, line in itertools.pairwise(lines):
        if line.strip() and not line.lstrip().startswith(("#", "---")) and line.strip() not in blocks:
            assert above.lstrip().startswith("# "), line


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_every_overlay_parses(overlay: Path) -> None:
    task = next((task for task in ("pretrain", "squad") if task in overlay.stem), "classifier")
    config = load_config(task, ["--overlay", str(overlay)])
    assert config.overlays == (overlay,)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["large", "xlarge", "xxlarge", "base_v2", "large_v2", "xlarge_v2", "xxlarge_v2"])
def test_size_overlays_fit_every_task(task: str, name: str) -> None:
    config = load_config(task, ["--overlay", str(PROJECT_ROOT / "configs" / f"{name}.yaml")])
    size, _, version = name.partition("_")
    assert (config.values.albert_network, config.values.albert_version) == (size, version or "v1")


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1"])
def test_booleans_of_the_launchers(word: str, tmp_path: Path) -> None:
    assert load_config("pretrain", [f"--do_shuffle={word}"]).values.do_shuffle is True
    quoted = write(tmp_path / "own.yaml", f"do_shuffle: '{word}'\n")
    assert load_config("pretrain", ["--config_path", quoted]).values.do_shuffle is True


@pytest.mark.parametrize("word", ["false", "False", "0"])
def test_false_is_false(word: str) -> None:
    assert load_config("classifier", ["--train_data_shuffle", word]).values.train_data_shuffle is False


def test_a_flag_without_a_value_is_true_and_takes_no_other_word() -> None:
    config = load_config("classifier", ["--overwrite", "--seed", "3", "--dry_run"])
    assert (config.values.overwrite, config.values.seed, config.dry_run) == (True, 3, True)


def test_numbers_that_pyyaml_reads_as_text(tmp_path: Path) -> None:
    path = write(
        tmp_path / "own.yaml", "train_batch_size: 1e2\noptimizer_cfg:\n  Lamb: {learning_rate: 1e-5, eps: 1E-7}\n"
    )
    values = load_config("classifier", ["--config_path", path]).values
    assert (values.train_batch_size, values.optimizer_cfg.Lamb.learning_rate) == (100, 1e-5)
    assert values.optimizer_cfg.Lamb.eps == 1e-7


def test_dotted_options_lists_null_and_negative_numbers() -> None:
    arguments = [
        "--optimizer_cfg.Lamb.learning_rate",
        "1e-4",
        "--bucket_list",
        "32,64",
        "--num_class",
        "null",
        "--train_steps",
        "-1",
    ]
    values = load_config("classifier", arguments).values
    assert values.optimizer_cfg.Lamb.learning_rate == 1e-4
    assert (values.bucket_list, values.num_class, values.train_steps) == ((32, 64), None, -1)
    assert load_config("classifier", ["--bucket_list=[16, 128]"]).values.bucket_list == (16, 128)
    assert load_config("classifier", ["--bucket_list="]).values.bucket_list == ()
    filtered = load_config("classifier", ["--optimizer_cfg.Lamb.decay_filter", "bias"]).values
    assert filtered.optimizer_cfg.Lamb.decay_filter == ("bias",)


def test_values_with_an_equals_sign_dashes_and_numbers_stay_text() -> None:
    values = load_config("classifier", ["--run_dir=--a=b", "--description", "2"]).values
    assert (values.run_dir, values.description) == ("--a=b", "2")


@pytest.mark.parametrize("wrong", ["256e12", "-1", "nan", "fast"])
def test_a_peak_in_another_unit_than_tflops_is_refused(wrong: str) -> None:
    assert load_config("pretrain", ["--peak_tflops", "0.18"]).values.peak_tflops == 0.18
    with pytest.raises(ConfigError, match="--peak_tflops"):
        load_config("pretrain", ["--peak_tflops", wrong])


def test_names_in_any_case() -> None:
    arguments = ["--assessment_method", "Spearman_correlation", "--task_name", "sts-b", "--device_target", "ascend"]
    values = load_config("classifier", arguments).values
    assert (values.assessment_method, values.task_name, values.device_target) == (
        "spearman_correlation",
        "STS-B",
        "Ascend",
    )
    assert load_config("classifier", ["--assessment_method", "MCC"]).values.assessment_method == "mcc"
    assert load_config("classifier", ["--task_name", "mismnli"]).values.task_name == "MNLI-mm"
    assert load_config("classifier", ["--task_name", "Sts_b"]).values.task_name == "STS-B"
    assert load_config("classifier", ["--optimizer_cfg.optimizer", "lamb"]).optimizer(10).name == "Lamb"


@pytest.mark.parametrize(
    ("arguments", "compute_type", "scaled"),
    [
        ([], "float32", False),
        (["--device_target", "GPU"], "float16", True),
        (["--device_target", "Ascend"], "float16", True),
        (["--albert_net_cfg.compute_type", "mstype.float16"], "float16", True),
        (["--device_target=Ascend", "--albert_net_cfg.compute_type=float32"], "float32", False),
        (["--device_target=GPU", "--enable_lossscale=false"], "float16", False),
        (["--enable_lossscale"], "float32", True),
    ],
)
def test_compute_type_and_loss_scale_are_resolved(arguments: list[str], compute_type: str, scaled: bool) -> None:
    config = load_config("classifier", arguments)
    assert (config.network().compute_type, config.values.enable_lossscale) == (compute_type, scaled)
    assert config.loss_scale() == LossScaleConfig(enable=scaled, value=65536, factor=2, window=1000)


def test_the_optimizer_gets_its_schedule_from_the_training_steps() -> None:
    config = load_config("classifier", ["--optimizer_cfg.optimizer", "Lamb"])
    assert config.optimizer(250) == OptimizerConfig(
        name="Lamb", learning_rate=2e-5, warmup_steps=25, decay_steps=250, weight_decay=0.01
    )
    given = load_config("classifier", ["--optimizer_cfg.AdamWeightDecay.warmup_steps=7"]).optimizer(250)
    assert (given.name, given.warmup_steps, given.decay_steps) == ("AdamWeightDecay", 7, 250)
    none = load_config("classifier", ["--optimizer_cfg.AdamWeightDecay.warmup_steps=0"]).optimizer(250)
    assert none.warmup_steps == 0
    decay = load_config("pretrain", ["--Lamb.decay_steps=99"]).optimizer(250)
    assert (decay.warmup_steps, decay.decay_steps, decay.power) == (10000, 99, 2.0)


def test_momentum_keeps_its_learning_rate_unless_an_end_is_given() -> None:
    arguments = ["--optimizer_cfg.optimizer", "Momentum"]
    optimizer = load_config("classifier", arguments).optimizer(100)
    assert (optimizer.learning_rate, optimizer.end_learning_rate, optimizer.warmup_steps) == (2e-5, 2e-5, 0)
    ended = load_config("classifier", [*arguments, "--optimizer_cfg.Momentum.end_learning_rate=0"]).optimizer(100)
    assert ended.end_learning_rate == 0
    assert (optimizer.weight_decay, optimizer.momentum) == (0.0, 0.9)
    decayed = load_config("classifier", [*arguments, "--optimizer_cfg.Momentum.weight_decay=0.1"]).optimizer(100)
    assert decayed.weight_decay == 0.1


def test_pretraining_batch_size_comes_from_the_network_unless_given() -> None:
    assert load_config("pretrain", []).values.effective_batch_size() == 256
    assert load_config("pretrain", ["--albert_network=large"]).values.effective_batch_size() == 24
    assert load_config("pretrain", ["--albert_network=xxlarge"]).values.effective_batch_size() == 12
    assert load_config("pretrain", ["--albert_network=large", "--batch_size=8"]).values.effective_batch_size() == 8


def test_pretraining_reads_the_section_of_the_chosen_network() -> None:
    arguments = ["--large_net_cfg.seq_length=128", "--base_net_cfg.seq_length=64"]
    assert load_config("pretrain", arguments).network().seq_length == 64
    assert load_config("pretrain", [*arguments, "--albert_network=large"]).network().seq_length == 128


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "arguments", [[], ["--albert_network=xlarge", "--albert_version=v2", "--device_target=Ascend", "--seed=9"]]
)
def test_the_resolved_yaml_loads_to_the_same_values(task: str, arguments: list[str], tmp_path: Path) -> None:
    config = load_config(task, arguments)
    again = load_config(task, ["--config_path", write(tmp_path / "config.yaml", config.to_yaml())])
    assert again.values == config.values
    assert again.network() == config.network()
    assert again.to_yaml() == config.to_yaml()
    assert "auto" not in (config.network().compute_type, config.values.enable_lossscale)


def test_print_config_prints_the_resolved_yaml_and_ends_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_config(
            "classifier", ["--print_config", "--seed=77", "--overlay", str(PROJECT_ROOT / "configs/large.yaml")]
        )
    assert ended.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["seed"], printed["albert_net_cfg"]["hidden_size"]) == (77, 1024)
    assert printed["albert_net_cfg"]["layer_norm_eps"] == 1e-12


def test_a_loaded_configuration_is_frozen() -> None:
    config = load_config("classifier", [])
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.dry_run = True
    with pytest.raises(pydantic.ValidationError):
        config.values.seed = 3
    with pytest.raises(pydantic.ValidationError):
        config.values.optimizer_cfg.Lamb.eps = 1.0


def test_empty_sections_are_no_values(tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", "albert_net_cfg:\noptimizer_cfg:\n  Lamb:\n")
    assert load_config("classifier", ["--config_path", path]).values == load_config("classifier", []).values


def test_run_directory() -> None:
    assert load_config("classifier", []).run_directory() == Path("runs/run_classifier")
    assert load_config("classifier", ["--run_dir", "/tmp/x"]).run_directory() == Path("/tmp/x")


def test_a_configuration_inside_a_run_means_that_run(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", config_text="seed: 3\n", environment={}):
        pass
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    loaded = load_config("classifier", ["--config_path", str(moved / "config.yaml")])
    assert (loaded.run_directory(), loaded.values.seed) == (moved, 3)
    other = load_config("classifier", ["--config_path", str(moved / "config.yaml"), "--run_dir", "elsewhere"])
    assert other.run_directory() == Path("elsewhere")


def test_keys_are_not_compared_where_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("classifier", ["--overlay", str(tmp_path / "none.yaml"), "--do_train", "true"])
    assert str(caught.value).startswith(f"{tmp_path / 'none.yaml'}: no such file")
    assert "do_train" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xef\xbb\xbfseed: 3\r\nlog_steps: 4\r\n")
    assert load_config("classifier", ["--config_path", str(path)]).values.seed == 3
