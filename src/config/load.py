"""Load the configuration of a task: schema defaults < yaml file < overlays < command line."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, overload

import yaml

from src.common.errors import ConfigError
from src.common.log_folder import make_log_folder
from src.common.run_directory import is_run_directory
from src.config.classifier import ClassifierConfig
from src.config.command_line import CommandLine, help_text, parse_arguments
from src.config.layers import Layer, merge_layers, with_chosen_section
from src.config.network_keys import IGNORED_GOOGLE_KEYS, NetworkKeys
from src.config.options import list_options
from src.config.pretrain import PretrainConfig
from src.config.schemas import SCHEMAS
from src.config.sections import LossScaleConfig, NetworkConfig, OptimizerConfig
from src.config.squad import SquadConfig
from src.config.task_config import TaskConfig
from src.config.validate import (
    Options,
    cross_errors,
    resolve_network,
    split_known,
    unavailable_errors,
    validate,
)
from src.config.yaml_source import read_yaml_layer

TaskName = Literal["pretrain", "classifier", "squad"]
Schema = TypeVar("Schema", bound=TaskConfig, covariant=True)
PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class LoadedConfig(Generic[Schema]):
    """A checked configuration.

    Attributes:
        task: pretrain, classifier or squad.
        values: Every key, with the network's section, ``compute_type`` and ``enable_lossscale`` resolved.
        notices: What the user should know though it is no error, one sentence each.
        config_path: The yaml file that was read.
        overlays: The overlay files, in order.
        dry_run: Whether to build everything and to change nothing.
        given: Keys on the command line; of a section its name.
    """

    task: str
    values: Schema
    notices: tuple[str, ...]
    config_path: Path
    overlays: tuple[Path, ...]
    dry_run: bool
    given: frozenset[str] = frozenset()

    def network(self) -> NetworkConfig:
        """Return the shape of the chosen network."""
        section = self.values.network_keys().model_dump(include=set(NetworkConfig.model_fields))
        return NetworkConfig.model_validate(section)

    def optimizer(self, train_steps: int) -> OptimizerConfig:
        """Return the chosen optimizer with its schedule for a training of ``train_steps`` updates."""
        return self.values.optimizer_keys().build(self.values.optimizer_name(), train_steps)

    def loss_scale(self) -> LossScaleConfig:
        """Return the loss scale."""
        return self.values.loss_scale()

    def run_directory(self) -> Path:
        """Return the folder of the run: ``run_dir``, else the run that ``config_path`` lies in, else a new one."""
        if self.values.run_dir:
            return Path(self.values.run_dir)
        if is_run_directory(self.config_path.parent):
            return self.config_path.parent
        return Path("runs") / self.values.description

    def to_yaml(self) -> str:
        """Return the resolved configuration; loading it again gives the same values."""
        content = self.values.model_dump(mode="json")
        for name, section in content.items():
            if name.endswith("_net_cfg"):
                # Nothing is lost: null is what a network's key is when it is absent.
                content[name] = {key: value for key, value in section.items() if value is not None}
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


@overload
def load_config(task: Literal["classifier"], argv: Sequence[str]) -> LoadedConfig[ClassifierConfig]: ...
@overload
def load_config(task: Literal["pretrain"], argv: Sequence[str]) -> LoadedConfig[PretrainConfig]: ...
@overload
def load_config(task: Literal["squad"], argv: Sequence[str]) -> LoadedConfig[SquadConfig]: ...


def load_config(task: TaskName, argv: Sequence[str]) -> LoadedConfig[Any]:
    """Load the configuration of ``task`` from the arguments after the program's name.

    ``--help`` and ``--print_config`` print and end the program with status 0.

    Raises:
        ConfigError: Something is wrong; the message holds every error found, one a line.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    schema = SCHEMAS[task]
    options = list_options(schema)
    arguments = parse_arguments(argv, options)
    config_path = Path(arguments.config_path) if arguments.config_path else _shipped_yaml(schema)
    files = [config_path, *(Path(name) for name in arguments.overlays)]
    layers, errors = _read_layers(task, files, arguments, options)
    merged, notices = merge_layers(layers)
    if arguments.show_help:
        _print_help(schema, merged, options, files, errors)
    notices += _ignored_keys(merged)
    values, network = _checked(schema, merged, options, files, errors)
    if values.use_mixlist and network.compute_type == "float32":
        notices.append("use_mixlist has no effect: with compute_type float32 every operator is float32 already")
    resolved = _resolved(values, network)
    given = frozenset(path[0] for path in arguments.layer)
    loaded = LoadedConfig(task, resolved, tuple(notices), config_path, tuple(files[1:]), arguments.dry_run, given)
    if arguments.print_config:
        print(loaded.to_yaml(), end="", flush=True)
        raise SystemExit(0)
    make_log_folder()
    return loaded


def _shipped_yaml(schema: type[TaskConfig]) -> Path:
    """Return the yaml file beside the entry scripts, written as short as the current folder allows."""
    path = PROJECT_ROOT / schema.yaml_name
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _read_layers(
    task: str, files: list[Path], arguments: CommandLine, options: Options
) -> tuple[list[Layer], list[ConfigError]]:
    """Return the settings of every file and of the command line, known keys only, and all errors so far."""
    written: list[Layer] = []
    errors: list[ConfigError] = []
    for path in files:
        try:
            layer, file_errors = read_yaml_layer(path)
        except ConfigError as error:
            errors.append(error)
            continue
        written.append(layer)
        errors += file_errors
    written, section_errors = with_chosen_section([*written, arguments.layer], SCHEMAS[task].model_fields)
    layers: list[Layer] = []
    for layer in written:
        known, unknown = split_known(task, layer, options)
        layers.append(known)
        errors += unknown
    return layers, errors + section_errors + arguments.errors


def _checked(
    schema: type[TaskConfig], merged: Layer, options: Options, files: list[Path], errors: list[ConfigError]
) -> tuple[TaskConfig, NetworkConfig]:
    """Return the values and the network, or raise all errors at once."""
    values, wrong, value_errors = validate(schema, merged, options)
    errors = errors + value_errors + unavailable_errors(values, merged, options)
    network = None
    if not any(name.startswith((values.network_section(), "albert_")) for name in wrong):
        network, network_errors = resolve_network(values, merged)
        errors += network_errors
    # What a file that cannot be read would have set is unknown: keys are then not compared with each other.
    if network is not None and not any(error.where in [str(path) for path in files] for error in errors):
        errors += cross_errors(values, network, merged, wrong)
    if len(errors) == 1:
        raise errors[0]
    if errors or network is None:
        names = [str(path) for path in files]
        errors.sort(key=lambda error: _position(error, names))
        lines = "\n".join(f"  {error}" for error in errors)
        raise ConfigError(f"the configuration has {len(errors)} errors:\n{lines}")
    return values, network


def _position(error: ConfigError, files: list[str]) -> tuple[int, int]:
    """Return the places of an error's file and line; options of the command line keep their order, after the files."""
    file, _, line = error.where.rpartition(":")
    if file in files and line.isdecimal():
        return files.index(file), int(line)
    return (files.index(error.where), 0) if error.where in files else (len(files), 0)


def _resolved(values: TaskConfig, network: NetworkConfig) -> TaskConfig:
    """Write the resolved network and the switch of the loss scale into the values."""
    scale = values.enable_lossscale
    updates: dict[str, Any] = {
        values.network_section(): NetworkKeys.model_validate(network.model_dump()),
        "enable_lossscale": network.compute_type == "float16" if scale is None else scale,
    }
    return values.model_copy(update=updates)


def _ignored_keys(merged: Layer) -> list[str]:
    return [
        f"{setting.where}: {'.'.join(path)} has no effect, in this network as in Google's own"
        for path, setting in merged.items()
        if path[-1] in IGNORED_GOOGLE_KEYS and setting.value is not None
    ]


def _print_help(
    schema: type[TaskConfig], merged: Layer, options: Options, files: list[Path], errors: list[ConfigError]
) -> None:
    """Print the help and end the program; errors are named, and do not hide the help."""
    current = {path: merged[path].value if path in merged else option.default for path, option in options.items()}
    values, _, value_errors = validate(schema, merged, options)
    network, network_errors = resolve_network(values, merged)
    if network is not None:
        section = values.network_section()
        current.update({(section, name): value for name, value in network.model_dump().items()})
    program = os.path.basename(sys.argv[0])
    print(help_text(program, options, current, ", ".join(str(path) for path in files)))
    for error in errors + value_errors + network_errors:
        print(f"note: {error}")
    sys.stdout.flush()
    raise SystemExit(0)
