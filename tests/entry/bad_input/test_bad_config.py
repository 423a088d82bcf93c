"""Configurations that run_classifier.py must refuse before it loads MindSpore or touches a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.common.cli import run_command
from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import COMMANDS, Fails, snapshot, write

OPTIONS: dict[str, tuple[list[Any], list[str]]] = {
    "wrong key": (["--lerning_rate", 1], ["--lerning_rate", "unknown key", "did you mean"]),
    "typo": (["--train_batch_sizes", 8], ["did you mean train_batch_size?"]),
    "nothing like it": (["--zebra", 1], ["--zebra", "see --help"]),
    "key without its section": (["--hidden_size", 8], ["did you mean albert_net_cfg.hidden_size?"]),
    "wrong type": (["--train_batch_size", "many"], ["--train_batch_size", "a whole number, got 'many'"]),
    "out of range": (["--train_batch_size", 0], ["must be >= 1, got '0'"]),
    "wrong boolean": (["--do_train", "maybe"], ["--do_train", "true or false, got 'maybe'"]),
    "dropout": (["--albert_net_cfg.hidden_dropout_prob", 1.5], ["must be < 1.0"]),
    "not finite": (["--optimizer_cfg.AdamWeightDecay.learning_rate", "nan"], ["finite number, got 'nan'"]),
    "optimizer": (["--optimizer_cfg.optimizer", "Adam"], ["'AdamWeightDecay', 'Lamb' or 'Momentum'", "'Adam'"]),
    "metric": (["--assessment_method", "acuracy"], ["'accuracy'", "got 'acuracy'"]),
    "task": (["--task_name", "SST3"], ["'SST-2'", "got 'SST3'"]),
    "stray word": (["foo"], ["foo: unexpected argument", "--key value"]),
    "no value": (["--seed"], ["--seed", "needs a value"]),
    "resume and overwrite": (["--resume", "true", "--overwrite", "true"], ["exclude each other", "give one"]),
    "from scratch with a checkpoint": (["--load_pretrain_checkpoint_path", "a.ckpt"], ["from_scratch", "give one"]),
    "no checkpoint": (["--from_scratch", "false"], ["load_pretrain_checkpoint_path", "set from_scratch to true"]),
    "no data": (["--train_data_file_path", ""], ["do_train needs train_data_file_path"]),
    "bucket too long": (["--bucket_list", "[64]"], ["64", "longer than seq_length 16", "raise seq_length"]),
    "buckets not sorted": (["--bucket_list", "[8, 4]"], ["does not ascend", "sort"]),
    "longer than positions": (["--albert_net_cfg.seq_length", 99], ["exceeds max_position_embeddings 16"]),
    "heads": (["--albert_net_cfg.num_attention_heads", 3], ["--albert_net_cfg.num_attention_heads", "divisible"]),
    "not available": (["--schema_file_path", "x"], ["schema_file_path is not needed", "leave it empty"]),
    "no launcher": (["--distribute", "true"], ["cannot join the other processes", "start with launch.py"]),
}

FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "syntax": ("do_train: true\nbucket_list: [1\nseed: 2\n", [":3:", "not valid yaml", "correct"]),
    "tabs": ("seed:\n\t1\n", [":2:", "cannot start any token"]),
    "not UTF-8": (b"do_train: true\n# \xff\n", [":2:", "not UTF-8", "save the file as UTF-8"]),
    "NUL": ("seed: \0001\n", ["special characters are not allowed", "correct"]),
    "a list": ("- seed\n- 1\n", [":1:", "'key: value'"]),
    "empty": ("", ["the file is empty", "give it the keys"]),
    "wrong key": ("seed: 1\nepoch_nun: 3\n", [":2:", "epoch_nun", "did you mean epoch_num?"]),
    "wrong type": ("epoch_num: three\n", [":1:", "a whole number, got 'three'"]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_option(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv, fragments = OPTIONS[name]
    fails("run", samples.train(tmp_path / "run", *argv), *fragments)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("name", FILES)
def test_yaml_file(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    content, fragments = FILES[name]
    path = write(tmp_path / "a file.yaml", content)
    fails("run", [*samples.train(tmp_path / "run"), "--overlay", path], path, *fragments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", ["--config_path", "--overlay"])
def test_yaml_file_that_is_not_there(flag: str, fails: Fails, tmp_path: Path) -> None:
    fails("run", [flag, tmp_path / "none.yaml"], tmp_path / "none.yaml", "no such file", "current folder")
    fails("run", [flag, tmp_path], tmp_path, "Is a directory", "give a yaml file")


def test_nothing_to_do(fails: Fails) -> None:
    fails("run", [], "do_train, do_eval, do_predict", "set one of them to true")


def test_many_errors_come_at_once(samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "many.yaml", "epoch_nun: 3\nseed: -1\nlog_steps: often\n")
    argv = [*samples.train(tmp_path / "run"), "--overlay", path, "--zebra", 1]
    assert run_command(COMMANDS["run"], [str(word) for word in argv]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: the configuration has 4 errors:"
    assert [line.split(" ")[2].rstrip(":") for line in lines[1:]] == [f"{path}:1", f"{path}:2", f"{path}:3", "--zebra"]
    assert not (tmp_path / "run").exists()


COMMAND_LINES: dict[str, tuple[str, list[Any], list[str]]] = {
    "convert: unknown": ("convert", ["--task_nam", "x"], ["--task_nam", "did you mean --task_name?"]),
    "convert: boolean": ("convert", ["--overwrite", "maybe"], ["--overwrite", "'maybe' is neither true nor false"]),
    "convert: length": ("convert", ["--max_seq_length", "2"], ["--max_seq_length", "at least 3 and at most 32768"]),
    "convert: huge length": (
        "convert",
        ["--max_seq_length", "99999999999"],
        ["--max_seq_length", "at least 3 and at most 32768"],
    ),
    "convert: nothing": ("convert", [], ["--output_dir", "name a folder"]),
    "convert: labels": ("convert", ["--labels", "good,good"], ["--labels", "different labels"]),
    "convert: form": ("convert", ["--file_format", "json"], ["--file_format", "mindrecord"]),
    "convert: inspect what": ("convert", ["--inspect", "3"], ["--input", "name the record file"]),
    "convert: no inspect": ("convert", ["--input", "x"], ["--input", "it is for --inspect"]),
    "vocabulary: nothing": ("vocabulary", [], ["--input, --output_prefix", "train_vocabulary.py --help"]),
    "vocabulary: unknown": ("vocabulary", ["--input", "a", "--output_prefix", "b", "--size", 3], ["option --size"]),
    "vocabulary: size": ("vocabulary", ["--vocab_size", "many"], ["--vocab_size", "'many'", "whole number from 14 to"]),
    "vocabulary: coverage": ("vocabulary", ["--character_coverage", 2], ["--character_coverage", "0.98 to 1"]),
    "films: unknown": ("films", ["--outputdir", "x"], ["did you mean --output_dir?"]),
    "films: stray word": ("films", ["x"], ["unknown argument x"]),
    "predict: nothing": ("predict", [], ["COMMAND", "predict.py --help"]),
    "predict: command": ("predict", ["clasify"], ["'clasify'", "choose from"]),
    "predict: no run": ("predict", ["classify", "a text"], ["--run_dir", "required"]),
    "predict: unknown": ("predict", ["classify", "--run_dir", "x", "--outptu", "y"], ["did you mean --output?"]),
    "predict: device": ("predict", ["classify", "--run_dir", "x", "--device_target", "TPU"], ["'TPU'", "Ascend"]),
    "predict: batch": ("predict", ["classify", "--run_dir", "x", "--batch_size", "x"], ["--batch_size", "int"]),
}


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_command_line(name: str, fails: Fails) -> None:
    command, argv, fragments = COMMAND_LINES[name]
    fails(command, argv, *fragments)
