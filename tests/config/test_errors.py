from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from src.common.cli import run_command
from src.common.errors import ConfigError
from src.config.load import PROJECT_ROOT, load_config


def message(task: str, arguments: list[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(task, arguments)
    return str(caught.value)


# The text of a yaml file, the line blamed, and what must stand in the message.
YAML_CASES = {
    "unknown key": ("epoch_nm: 3\n", 1, "unknown key epoch_nm -> did you mean epoch_num?"),
    "unknown nested key": ("albert_net_cfg:\n  hiden_size: 3\n", 2, "did you mean albert_net_cfg.hidden_size?"),
    "key without its section": ("seed: 1\nhidden_size: 3\n", 2, "did you mean albert_net_cfg.hidden_size?"),
    "unknown section once": ("Adagrad:\n  a: 1\n  b: 2\n", 2, "unknown key Adagrad"),
    "old name": ("bert_network: base\n", 1, "use albert_network"),
    "key of another task": ("epoch_size: 3\n", 1, "use epoch_num"),
    "Thor": ("optimizer_cfg:\n  Thor:\n    lr_max: 1\n    lr_min: 1\n", 3, "use Lamb"),
    "Thor chosen": ("optimizer_cfg: {optimizer: Thor}\n", 1, "use Lamb"),
    "text for a number": ("epoch_num: three\n", 1, "epoch_num: expected a whole number, got 'three'"),
    "boolean for a number": ("epoch_num: true\n", 1, "epoch_num: expected a whole number, got true"),
    "boolean for a float": ("max_grad_norm: true\n", 1, "max_grad_norm: expected a number, got true"),
    "fraction for a whole number": ("epoch_num: 2.5\n", 1, "expected a whole number, got 2.5"),
    "null for a number": ("epoch_num:\n", 1, "expected a whole number, got null"),
    "infinity": ("max_grad_norm: .inf\n", 1, "a finite number"),
    "number for text": ("run_dir: 5\n", 1, "run_dir: expected text, got 5"),
    "text for a boolean": ("do_train: maybe\n", 1, "do_train: expected true or false, got 'maybe'"),
    "number for a boolean": ("do_train: 2\n", 1, "true or false, got 2 -> choose one of the two"),
    "unknown choice": (
        "device_target: TPU\n",
        1,
        "expected 'CPU', 'GPU' or 'Ascend', got 'TPU' -> choose one of these",
    ),
    "unknown metric": ("assessment_method: bleu\n", 1, "'spearman_correlation'"),
    "unknown float type": ("albert_net_cfg: {compute_type: mstype.float64}\n", 1, "'float16', got 'mstype.float64'"),
    "below the bound": ("seed: -1\n", 1, "seed: must be >= 0, got -1"),
    "at the bound": ("albert_net_cfg: {hidden_dropout_prob: 1.0}\n", 1, "must be < 1"),
    "more than can be counted": ("epoch_num: 99999999999999999999\n", 1, "beyond the largest number, 2147483647"),
    "more steps than can be counted": ("train_steps: 2147483648\n", 1, "beyond the largest number, 2147483647"),
    "more rows than fit": ("train_batch_size: 100000000\n", 1, "train_batch_size: must be <= 65536, got 100000000"),
    "no steps": ("train_steps: 0\n", 1, "trains nothing"),
    "empty name": ("description: ''\n", 1, "description: must not be empty"),
    "wrong list": ("bucket_list: [64, x]\n", 1, "bucket_list: expected a whole number"),
    "list for a number": ("epoch_num: [1]\n", 1, "expected a whole number, got [1]"),
    "section for a value": ("seed:\n  a: 1\n", 2, "seed takes a value, not keys below it"),
    "value for a section": ("optimizer_cfg: Lamb\n", 1, "optimizer_cfg holds keys, not a value"),
    "key given twice": ("seed: 1\nlog_steps: 3\nseed: 2\n", 3, "seed is given twice -> remove this or line 1"),
    "nested key given twice": ("albert_net_cfg:\n  dtype: float32\n  dtype: float16\n", 3, "albert_net_cfg.dtype is"),
    "key that is no word": ("? [a]\n: 1\n", 1, "a key must be a word"),
    "tab": ("albert_net_cfg:\n\tdtype: float32\n", 2, "not valid yaml"),
    "unclosed bracket": ("bucket_list: [1, 2\nseed: 3\n", 2, "not valid yaml"),
    "old yaml with commas": ('albert_net_cfg:\n  hidden_act: "gelu",\n', 2, "not valid yaml"),
    "python tag": ("seed: !!python/name:os.system\n", 1, "not valid yaml"),
    "two documents": ("seed: 1\n---\nseed: 2\n", 2, "not valid yaml"),
    "a list at the top": ("- seed\n", 1, "expected lines of the form 'key: value'"),
    "buckets out of order": ("bucket_list: [64, 32]\n", 1, "does not ascend"),
    "bucket 0": ("bucket_list: [0, 32]\n", 1, "does not ascend"),
    "bucket too long": ("bucket_list: [64, 600]\n", 1, "longer than seq_length 512"),
    "longer than the positions": ("albert_net_cfg:\n  dtype: float32\n  seq_length: 600\n", 3, "600 exceeds max"),
    "heads do not divide": ("albert_net_cfg: {num_attention_heads: 7}\n", 1, "768 is not divisible by"),
    "custom without a shape": ("albert_network: custom\n", 1, "needs albert_net_cfg.hidden_size"),
    "resume and overwrite": ("resume: true\noverwrite: true\n", 1, "exclude each other"),
    "processes without distribute": ("device_num: 8\n", 1, "no effect without distribute"),
    "training without data": ("do_train: true\nfrom_scratch: true\n", 1, "do_train needs train_data_file_path"),
    "training without weights": ("do_train: true\ntrain_data_file_path: x\n", 1, "from_scratch to true"),
    "evaluation without data": (
        "do_eval: true\nload_finetune_checkpoint_path: x\n",
        1,
        "do_eval needs eval_data_file_path",
    ),
    "prediction without data": (
        "do_predict: true\nload_finetune_checkpoint_path: x\n",
        1,
        "do_predict needs test_data_file_path",
    ),
    "scratch with weights": ("from_scratch: true\nload_pretrain_checkpoint_path: x\n", 1, "exclude each other"),
    "several processes": ("device_num: 2\n", 1, "device_num 2 has no effect without distribute"),
    "ModelArts": ("data_url: s3://bucket/data\n", 1, "data_url has no effect without enable_modelarts"),
    "profiling": ("enable_profiling: true\n", 1, "this command does not train"),
    "export": ("file_format: TORCH\n", 1, "expected 'MINDIR', 'ONNX' or 'AIR', got 'TORCH'"),
    "schema file": ("schema_file_path: schema.json\n", 1, "the manifest beside a record file names its columns"),
}


@pytest.mark.parametrize("case", YAML_CASES)
def test_errors_in_a_yaml_file_name_file_line_and_remedy(case: str, tmp_path: Path) -> None:
    text, line, expected = YAML_CASES[case]
    path = tmp_path / "own.yaml"
    path.write_text(text)
    error = message("classifier", ["--config_path", str(path)])
    assert error.startswith(f"{path}:{line}: "), error
    assert expected in error
    assert "\n" not in error


COMMAND_LINE_CASES = {
    "unknown option": (["--epoch_nun", "3"], "--epoch_nun: unknown key epoch_nun -> did you mean epoch_num?"),
    "four dashes": (["----device_num", "1"], "did you mean device_num?"),
    "old option": (["--init_checkpoint=x"], "use load_pretrain_checkpoint_path"),
    "old top-level option": (["--learning_rate", "1"], "optimizer_cfg.AdamWeightDecay.learning_rate"),
    "missing value": (["--epoch_num"], "--epoch_num: needs a value"),
    "missing value before an option": (["--epoch_num", "--seed", "3"], "--epoch_num: needs a value"),
    "stray word": (["train"], "train: unexpected argument"),
    "single dash": (["-seed", "3"], "-seed: unexpected argument"),
    "wrong type": (["--epoch_num=x"], "--epoch_num: expected a whole number, got 'x'"),
    "empty number": (["--epoch_num="], "expected a whole number, got ''"),
    "a section": (["--optimizer_cfg", "Lamb"], "set for example optimizer_cfg.optimizer"),
    "nothing after the dashes": (["--", "3"], "unknown key"),
    "flag with another word": (["--do_train", "yep"], "expected true or false, got 'yep' -> choose one of the two"),
    "wrong control flag": (["--dry_run=maybe"], "expected true or false, got 'maybe' -> choose one of the two"),
    "missing yaml": (["--config_path", "nowhere.yaml"], "nowhere.yaml: no such file -> paths are relative"),
    "missing overlay": (["--overlay", "nowhere.yaml"], "nowhere.yaml: no such file"),
    "folder as yaml": (["--config_path", "/"], "/: cannot read"),
}


@pytest.mark.parametrize("case", COMMAND_LINE_CASES)
def test_errors_on_the_command_line_name_the_option(case: str) -> None:
    arguments, expected = COMMAND_LINE_CASES[case]
    assert expected in message("classifier", arguments)


def test_empty_yaml(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    for content in ("", "# only a comment\n"):
        path.write_text(content)
        assert "the file is empty" in message("classifier", ["--config_path", str(path)])


@pytest.mark.parametrize("content", [b"seed: 1\ndescription: \xff\xfe\n", b"seed: 1\nrun_dir: a\xe9\n"])
def test_yaml_that_is_not_utf8(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    assert message("classifier", ["--config_path", str(path)]).startswith(f"{path}:2: not UTF-8 text")


def test_control_characters_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"seed: 1\nrun_dir: a\x00b\n")
    assert f"{path}: not valid yaml: special characters are not allowed" in message(
        "classifier", ["--config_path", str(path)]
    )


def test_all_errors_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("do_train: true\nepoch_nm: 3\nseed: x\nbatch_size: 3\nresume: 1\noverwrite: 1\nseed: 5\n")
    overlay = tmp_path / "over.yaml"
    overlay.write_text("gap: 1\n")
    error = message("classifier", ["--config_path", str(path), "--overlay", str(overlay), "--log_steps=y", "--zzz=1"])
    lines = error.splitlines()
    assert lines[0] == "the configuration has 9 errors:"
    where = [line.strip().split(": ")[0] for line in lines[1:]]
    assert where[:6] == [f"{path}:{number}" for number in (1, 2, 3, 4, 5, 7)]
    assert where[6:] == [f"{overlay}:1", "--zzz", "--log_steps"]


def test_an_error_hides_only_the_checks_that_depend_on_its_key(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("device_num: 4\ndistribute: maybe\nresume: true\noverwrite: true\n")
    error = message("classifier", ["--config_path", str(path)])
    assert "expected true or false" in error
    assert "exclude each other" in error
    assert "no effect" not in error


def test_the_latest_layer_is_blamed(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("seed: 3\n")
    error = message("classifier", ["--config_path", str(path), "--seed=-3"])
    assert error.startswith("--seed: ")
    assert str(path) not in error


def test_a_recursive_list_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("bucket_list: &a [*a]\n")
    assert "bucket_list: expected a whole number" in message("classifier", ["--config_path", str(path)])


def test_deep_nesting_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("a: &a\n  b: *a\n")
    assert "nested too deeply" in message("classifier", ["--config_path", str(path)])


@pytest.mark.parametrize("task", ["classifier", "squad", "pretrain"])
def test_the_documented_defaults_of_unavailable_keys_are_accepted(task: str) -> None:
    arguments = ["--enable_modelarts", "False", "--data_path=/cache/data", "--train_url=", "--enable_profiling=0"]
    assert load_config(task, arguments).values == load_config(task, []).values


def test_an_error_ends_a_command_with_status_2_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str]) -> int:
        load_config("classifier", argv)
        return 0

    assert run_command(main, ["--epoch_num", "x"]) == 2
    error = capsys.readouterr().err
    assert error == "error: --epoch_num: expected a whole number, got 'x'\n"


def test_nothing_is_written_by_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load_config("classifier", ["--overlay", str(PROJECT_ROOT / "configs" / "large.yaml")])
    assert list(Path(tmp_path).iterdir()) == []
