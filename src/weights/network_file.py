"""Find what belongs to weights beside them: the network's settings and the tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from src.common.errors import AlbertError, CheckpointError
from src.config.network_keys import IGNORED_GOOGLE_KEYS
from src.config.presets import preset
from src.config.sections import NetworkConfig
from src.config.yaml_source import read_yaml_layer
from src.model.names import sizes_of
from src.weights.config_files import NetworkFile, read_config_file
from src.weights.huggingface_tokenizer import SPM_MODEL, VOCABULARY, TokenizerFiles, find_tokenizer
from src.weights.task_file import run_assets

_YAML_SUFFIXES = (".yaml", ".yml")
_JSON_NAMES = ("albert_config.json", "config.json", "bert_config.json")
_RUN_CONFIG = "config.yaml"
_SECTION = "albert_net_cfg"
_SIZES = ("base", "large", "xlarge", "xxlarge")
_KNOWN_MODELS = (SPM_MODEL, "30k-clean.model")
# What a machine or a run decides and not the weights.
_NOT_THE_NETWORKS = ("compute_type", "float32_operators", "dtype", "recompute")
_MOST_LAYERS = 1000
_NEEDED = ("num_hidden_layers", "num_attention_heads")


def read_network_file(path: Path) -> NetworkFile:
    """Return what Google's or HF's json, or a yaml of this project, says of the network.

    Raises:
        CheckpointError: The file cannot be read or is none of these.
        ConfigError: The yaml is damaged.
    """
    if path.suffix not in _YAML_SUFFIXES:
        return read_config_file(path)
    settings, errors = read_yaml_layer(path)
    if errors:
        raise errors[0]
    values = {key: setting.value for key, setting in settings.items()}
    size, version = values.get(("albert_network",), "custom"), values.get(("albert_version",), "v1")
    section = _SECTION if any(key[0] == _SECTION for key in values) else f"{size}_net_cfg"
    given = {
        key[1]: value
        for key, value in values.items()
        if key[0] == section and len(key) == 2 and value is not None and key[1] not in IGNORED_GOOGLE_KEYS
    }
    if not given and size not in _SIZES:
        what = "the file says nothing of the network (albert_network, albert_net_cfg)"
        raise CheckpointError(what, str(path), "give the config.yaml of the run or the yaml beside the weights")
    kept = {key: value for key, value in given.items() if key not in _NOT_THE_NETWORKS}
    return NetworkFile({**preset(str(size), str(version)), **kept})


def find_network_file(weights_file: Path) -> Path | None:
    """Return the file beside weights that tells of their network, ``None`` without one.

    Looked for: the yaml that ``convert.py`` writes beside a checkpoint, the ``config.yaml`` of the run that a
    checkpoint lies in, Google's ``albert_config.json`` (also ``albert_config_base.json`` and the like, if there is
    one), HF's ``config.json``; also in ``assets`` of a TF-Hub module.
    """
    folder = weights_file.parent
    candidates = [weights_file.with_suffix(".yaml"), folder / _RUN_CONFIG]
    if folder.name == "checkpoints":
        candidates.append(folder.parent / _RUN_CONFIG)
    for place in _places(folder):
        candidates += [place / name for name in _JSON_NAMES]
        several = sorted(place.glob("albert_config*.json"))
        candidates += several if len(several) == 1 else []
    return next((path for path in candidates if path.is_file()), None)


def _places(folder: Path) -> tuple[Path, ...]:
    """Return the folders to look in: that of the weights, and those of a TF-Hub module around it."""
    return (folder, folder.parent / "assets", folder.parent) if folder.name == "variables" else (folder,)


def find_tokenizer_beside(weights_file: Path) -> TokenizerFiles | None:
    """Return the tokenizer beside weights, or that of the run they lie in.

    It is a SentencePiece model by its usual name or the only one, or a vocab.txt.
    """
    assets = run_assets(weights_file)
    for place in (*_places(weights_file.parent), *(() if assets is None else (assets,))):
        found = find_tokenizer(place)
        if found is not None:
            return found
        models = [place / name for name in _KNOWN_MODELS if (place / name).is_file()] or sorted(place.glob("*.model"))
        if len(models) == 1:
            return TokenizerFiles(spm_model=models[0])
        vocabularies = sorted(place.glob("vocab*.txt"))
        if len(vocabularies) == 1 or place / VOCABULARY in vocabularies:
            return TokenizerFiles(vocabulary=vocabularies[0])
    return None


def derive_network(shapes: Mapping[str, tuple[int, ...]], where: str) -> NetworkFile:
    """Return the settings of weights that come without any, where their sizes are those of a published network.

    Raises:
        CheckpointError: They are not: shapes do not tell the number of layers, nor that of attention heads.
    """
    sizes = sizes_of(shapes)
    for name in _SIZES:
        keys = preset(name, "v1")
        if all(sizes.get(key) == keys[key] for key in ("hidden_size", "intermediate_size")):
            dropout = keys["hidden_dropout_prob"]
            notice = (
                f"no configuration was found: {', '.join(_NEEDED)} and dropout ({dropout}) are those of the published"
                f" {name} v1, whose sizes these are; if that is wrong, give --config"
            )
            return NetworkFile({**keys, **sizes, **_length(sizes)}, notices=(notice,))
    what = f"the weights do not tell {' and '.join(_NEEDED)}, and no configuration lies beside them"
    raise CheckpointError(what, where, "give albert_config.json, HF's config.json or a yaml with --config")


def _length(sizes: Mapping[str, int]) -> dict[str, int]:
    default = NetworkConfig.model_fields["seq_length"].default
    return {"seq_length": min(default, sizes.get("max_position_embeddings", default))}


def checked_network(file: NetworkFile, changes: Mapping[str, Any], where: str) -> NetworkConfig:
    """Return the network that a file describes, with ``changes`` over it.

    Raises:
        CheckpointError: These settings make no network, or one with so many layers that the file must be damaged.
    """
    network = NetworkFile({**file.keys, **changes}).network(where)
    most = max(network.num_hidden_layers, network.num_hidden_groups * network.inner_group_num)
    if most > _MOST_LAYERS:
        raise CheckpointError(
            f"the network would have {most} layers", where, "give the file that belongs to the weights"
        )
    return network


def network_keys(network: NetworkConfig) -> dict[str, Any]:
    """Return the keys of ``albert_net_cfg`` that belong to weights.

    The length of sequences is a task's own, unless the table of positions is too short for the default.
    """
    keys = network.model_dump(exclude=set(_NOT_THE_NETWORKS))
    if network.max_position_embeddings >= NetworkConfig.model_fields["seq_length"].default:
        del keys["seq_length"]
    return keys


def overlay_text(network: NetworkConfig, notes: Iterable[str]) -> str:
    """Return a yaml that ``--overlay`` of every task takes."""
    lines = "".join(f"# {note}\n" for note in notes)
    content = {"albert_network": "custom", _SECTION: network_keys(network)}
    return lines + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def tells_of(path: Path, network: NetworkConfig) -> bool:
    """Tell whether a yaml is there that says of a network what ``overlay_text`` would say."""
    if not path.is_file():
        return False
    try:
        found = read_network_file(path).network(str(path))
    except AlbertError:
        return False
    return network_keys(found) == network_keys(network)
