"""From merged settings to checked values: every error of every layer is collected before any is raised."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from src.common.errors import ConfigError
from src.config.float32_operators import mixlist_path, read_float32_operators
from src.config.layers import KeyPath, Layer, Setting, as_sections, as_written
from src.config.network_keys import given_keys
from src.config.options import Option, section_paths, suggest
from src.config.presets import SHAPE_KEYS, preset
from src.config.replaced import REPLACED_VALUES, replacement
from src.config.schemas import SCHEMAS
from src.config.sections import NetworkConfig
from src.config.task_config import Problem, TaskConfig, bucket_problems

Schema = TypeVar("Schema", bound=TaskConfig)
Options = dict[KeyPath, Option]

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "finite": "a finite number",
}

# By pydantic's names of what is wrong.
_REMEDIES = {
    "literal_error": "choose one of these",
    "bool_parsing": "choose one of the two",
    "bool_type": "choose one of the two",
}


def split_known(task: str, layer: Layer, options: Options) -> tuple[Layer, list[ConfigError]]:
    """Return the settings whose keys the task knows, and an error for each of the others.

    An unknown section is reported once, not for every key inside it.
    """
    sections = section_paths(options)
    known: Layer = {}
    errors: dict[KeyPath, ConfigError] = {}
    for path, setting in layer.items():
        if path in options:
            known[path] = setting
        elif path in sections:
            if setting.value is not None:  # A section's name with nothing below it is an empty section.
                example = next(option.name for option in options.values() if option.path[: len(path)] == path)
                what = f"{'.'.join(path)} holds keys, not a value"
                errors[path] = ConfigError(what, setting.where, f"set for example {example}")
        else:
            first = next(path[:end] for end in range(1, len(path) + 1) if path[:end] not in sections)
            errors.setdefault(first, _unknown(task, first, path, setting.where, options))
    return known, list(errors.values())


def _unknown(task: str, first: KeyPath, path: KeyPath, where: str, options: Options) -> ConfigError:
    """Describe a key whose shortest unknown part is ``first``."""
    name = ".".join(first)
    if first in options:
        return ConfigError(f"{name} takes a value, not keys below it", where)
    text = replacement(task, name) or (replacement(task, ".".join(path)) if first != path else None)
    if text is not None:
        return ConfigError(f"{name} is not a key of this task", where, text)
    others = [
        schema.yaml_name for other, schema in SCHEMAS.items() if other != task and first[0] in schema.model_fields
    ]
    hint = suggest(name, options) or (f"it is a key of {' and '.join(others)}" if others else "see --help")
    return ConfigError(f"unknown key {name}", where, hint)


def validate(schema: type[Schema], merged: Layer, options: Options) -> tuple[Schema, set[str], list[ConfigError]]:
    """Check every value by itself.

    Returns:
        The values, wrong ones replaced by their defaults; the dotted names of the wrong ones; their errors.
    """
    errors: list[ConfigError] = []
    wrong: set[str] = set()
    try:
        return schema.model_validate(as_sections(merged)), wrong, errors
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = _option_path(detail["loc"], options)
            if ".".join(path) in wrong:
                continue
            wrong.add(".".join(path))
            errors.append(_value_error(detail, path, merged[path]))
    remaining = {path: setting for path, setting in merged.items() if ".".join(path) not in wrong}
    return schema.model_validate(as_sections(remaining)), wrong, errors


def _option_path(location: tuple[int | str, ...], options: Options) -> KeyPath:
    """Return the option that pydantic's location (which goes on into lists) lies in."""
    path = tuple(str(part) for part in location)
    while path not in options:
        path = path[:-1]
    return path


def _value_error(detail: ErrorDetails, path: KeyPath, setting: Setting) -> ConfigError:
    name = ".".join(path)
    # repr copes with a yaml list that holds itself.
    value = repr(setting.value) if isinstance(setting.value, (str, list)) else as_written(setting.value)
    fix = REPLACED_VALUES.get((path[-1], str(setting.value).lower()), "") or _REMEDIES.get(detail["type"], "")
    # On the command line the place names the key already.
    subject = "" if setting.where == f"--{name}" else f"{name}: "
    return ConfigError(f"{subject}{_complaint(detail)}, got {value}", setting.where, fix)


def _complaint(detail: ErrorDetails) -> str:
    kind = detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    bounds = {
        "greater_than": (">", "gt"),
        "greater_than_equal": (">=", "ge"),
        "less_than": ("<", "lt"),
        "less_than_equal": ("<=", "le"),
    }
    if kind in bounds:
        sign, bound = bounds[kind]
        return f"must be {sign} {context[bound]}"
    if kind == "literal_error":
        return f"expected {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_short":
        return "must not be empty"
    expected = _EXPECTED.get(kind.split("_")[0])
    return f"expected {expected}" if expected else detail["msg"]


def unavailable_errors(values: TaskConfig, merged: Layer, options: Options) -> list[ConfigError]:
    """Return an error for each key whose default is the only value that this version takes."""
    errors = []
    for path, option in options.items():
        if option.unavailable is not None and path in merged and getattr(values, path[0]) != option.default:
            what, _, fix = option.unavailable.partition("; ")
            errors.append(ConfigError(f"{option.name} {what}", merged[path].where, fix))
    return errors


def resolve_network(values: TaskConfig, merged: Layer) -> tuple[NetworkConfig | None, list[ConfigError]]:
    """Lay the given keys over the preset and settle ``compute_type``."""
    section = values.network_section()
    where = next((setting.where for path, setting in merged.items() if path[0] == section), section)
    where = merged[("albert_network",)].where if where == section and ("albert_network",) in merged else where
    given = given_keys(values.network_keys())
    if values.albert_network == "custom":
        try:
            given = {**given, **_described(values, given, merged)}
        except ConfigError as error:
            return None, [error]
    missing = [key for key in SHAPE_KEYS if key not in given]
    if values.albert_network == "custom" and missing:
        names = ", ".join(f"{section}.{key}" for key in missing)
        return None, [ConfigError(f"albert_network custom needs {names}", where, "or choose a size by its name")]
    fields = {**values.network_defaults, **preset(values.albert_network, values.albert_version), **given}
    if fields.get("compute_type", "auto") == "auto":
        fields["compute_type"] = "float32" if values.device_target == "CPU" else "float16"
    try:
        if values.use_mixlist:
            listed = read_float32_operators(mixlist_path(values.mixlist_file))
            fields["float32_operators"] = tuple(dict.fromkeys((*fields.get("float32_operators", ()), *listed)))
        return NetworkConfig.model_validate(fields), []
    except ConfigError as error:
        return None, [error]
    except ValidationError as error:
        return None, [
            ConfigError(
                f"{section}: {_complaint(detail)}",
                _where_of(merged, section, _complaint(detail), where),
                "change one of the two",
            )
            for detail in error.errors(include_url=False)
        ]


def _described(values: TaskConfig, given: dict[str, Any], merged: Layer) -> dict[str, Any]:
    """Return what a file says of a custom network, without the keys that the user has chosen.

    The yaml files hold the default of every key but the four sizes, and a default there is nobody's choice.
    """
    section = values.network_section()

    def is_chosen(key: str) -> bool:
        option = (section, key) in merged and merged[section, key].where.startswith("--")
        return key in given and (option or key in SHAPE_KEYS or given[key] != NetworkConfig.model_fields[key].default)

    return {key: value for key, value in values.described_network().items() if not is_chosen(key)}


def _where_of(merged: Layer, section: str, complaint: str, otherwise: str) -> str:
    """Return where the first key that a complaint names was given, on the command line rather than in a file."""
    words = complaint.replace(",", " ").split()
    given = [merged[section, word].where for word in words if (section, word) in merged]
    return next((where for where in given if where.startswith("--")), given[0] if given else otherwise)


def cross_errors(values: TaskConfig, network: NetworkConfig, merged: Layer, wrong: set[str]) -> list[ConfigError]:
    """Return the errors between keys, leaving out those whose keys are wrong by themselves."""
    problems: list[Problem] = values.problems()
    bucket_list = getattr(values, "bucket_list", ())
    problems += bucket_problems(bucket_list, network.seq_length)
    errors = []
    for problem in problems:
        if wrong.isdisjoint(problem.keys):
            paths = [tuple(key.split(".")) for key in problem.keys]
            where = next((merged[path].where for path in paths if path in merged), "")
            errors.append(ConfigError(problem.what, where, problem.fix))
    return errors
