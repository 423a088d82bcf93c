"""Load the configuration of export.py, which exports networks of every task: find out whose keys it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.run_directory import is_run_directory
from src.common.run_files import CONFIG_NAME
from src.config.command_line import CommandLine, parse_arguments
from src.config.layers import KeyPath
from src.config.load import PROJECT_ROOT, LoadedConfig, TaskName, load_config
from src.config.options import Option, list_options, section_paths
from src.config.schemas import SCHEMAS
from src.config.yaml_source import read_yaml_layer

_TASKS: tuple[TaskName, ...] = ("classifier", "squad", "pretrain")
# What a configuration asks of training is not asked of export.py.
_NOTHING_ELSE = {
    "classifier": ("do_train", "do_eval", "do_predict"),
    "squad": ("do_train", "do_eval", "do_predict"),
    "pretrain": ("train_with_eval",),
}

INTRODUCTION = """\
Export a trained network as MindIR, ONNX or AIR; what is written is opened again and compared with the checkpoint.

  python export.py --run_dir runs/sst2 --export_file_name exported/sst2
  python export.py --run_dir runs/sst2 --export_file_name exported/sst2_onnx --file_format ONNX
  python export.py --config_path task_classifier_config.yaml --export_ckpt_file CHECKPOINT --export_seq_length 128

--run_dir takes settings, labels, vocabulary and the best checkpoint of a run; so does a checkpoint that lies in one.
Of the options below those under "Export" matter most, and device_target, spm_model_file, vocab_file_path, overwrite.
"""


def load_export_config(argv: Sequence[str]) -> LoadedConfig[Any]:
    """Load the configuration of export.py from the arguments after the program's name.

    With ``--run_dir``, or a checkpoint that lies in a run, and without ``--config_path`` it is that of the run.

    Raises:
        ConfigError: It does not say what to export, or something else is wrong with it.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    options = {task: list_options(SCHEMAS[task]) for task in _TASKS}
    flags = {path: option for task in _TASKS for path, option in options[task].items()}
    arguments = parse_arguments(argv, flags)
    if arguments.show_help:
        print(INTRODUCTION)
    config_path = _config_path(arguments)
    files = [config_path, *map(Path, arguments.overlays)]
    task = _task_of([path for file in files for path in _keys_of(file)] + list(arguments.layer), options)
    switches = [f"--{key}=false" for key in _NOTHING_ELSE[task]]
    return load_config(task, [*argv, f"--config_path={config_path}", *switches])


def _config_path(arguments: CommandLine) -> Path:
    """Return the yaml file: the one that is named, or that of the run."""
    named = {path[0]: str(setting.value) for path, setting in arguments.layer.items()}
    run, checkpoint = named.get("run_dir", ""), named.get("export_ckpt_file", "")
    if run and not is_run_directory(Path(run)):
        raise ConfigError("this is not a run directory", run, "name the folder that a training wrote into")
    if arguments.config_path:
        return Path(arguments.config_path)
    owner = Path(checkpoint).resolve().parent.parent
    if run or (checkpoint and is_run_directory(owner)):
        return (Path(run) if run else owner) / CONFIG_NAME
    if arguments.show_help:
        return PROJECT_ROOT / SCHEMAS["classifier"].yaml_name
    fix = "give --run_dir RUN, or --config_path task_classifier_config.yaml with --export_ckpt_file CHECKPOINT"
    raise ConfigError("nothing is named that could be exported", "export.py", fix)


def _keys_of(path: Path) -> list[KeyPath]:
    """Return the keys of a yaml file; of one that cannot be read none: loading it will say why."""
    try:
        return list(read_yaml_layer(path)[0])
    except ConfigError:
        return []


def _task_of(keys: Sequence[KeyPath], options: dict[TaskName, dict[KeyPath, Option]]) -> TaskName:
    """Return the task that knows most of the keys; of several the first."""

    def unknown(task: TaskName) -> int:
        return sum(path not in options[task] and path not in section_paths(options[task]) for path in keys)

    return min(_TASKS, key=unknown)
