"""What of a network must stay the same for its trained weights to mean the same.

Layers share their weights, and the activation has none: so a network with more layers, other heads or another
activation takes the same parameters in the same shapes, and gives other numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from src.common.errors import CheckpointError, ConfigError
from src.common.run_directory import is_run_directory, read_config
from src.common.run_files import CONFIG_NAME
from src.config.sections import NetworkConfig
from src.weights.start_weights import SAME_ACTIVATION

# How a network is trained or computed, not what it computes. The length of sequences is bounded by the positions; the
# spread of the first weights has no part in weights that are trained already.
_FREE = {
    "seq_length",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout_prob",
    "initializer_range",
    "compute_type",
    "float32_operators",
    "recompute",
}
# What a new training may choose anew: its parameters are made of the checkpoint's numbers, whatever their type was.
_FREE_AT_START = ("network.dtype",)


def network_identity(network: NetworkConfig) -> dict[str, Any]:
    """Return the keys of a network that its weights are bound to, as plain JSON by ``network.<key>``."""
    return {f"network.{key}": value for key, value in network.model_dump(mode="json", exclude=_FREE).items()}


def identity_in_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same for the network in the configuration of a run; keys that it does not hold are left out.

    Raises:
        ConfigError: It holds no network that could be.
    """
    name = "albert_net_cfg" if "albert_net_cfg" in config else f"{config.get('albert_network')}_net_cfg"
    section = config.get(name)
    if not isinstance(section, Mapping):
        return {}
    known = {key: value for key, value in section.items() if key in NetworkConfig.model_fields}
    try:
        network = NetworkConfig.model_validate(known)
    except ValidationError as error:
        what = f"the stored configuration holds no valid network: {error.errors()[0]['msg']}"
        raise ConfigError(what, f"{CONFIG_NAME}: {name}", "restore it") from error
    return {key: value for key, value in network_identity(network).items() if key.partition(".")[2] in known}


def check_same_network(
    stored: Mapping[str, Any], network: NetworkConfig, where: str, fix: str, free: Collection[str] = ()
) -> None:
    """Raise ``CheckpointError`` when weights belong to another network than the configured one.

    Args:
        stored: What is known of theirs; other keys than those of ``network_identity`` do not matter.
        network: The configured one.
        where: The weights, for the message.
        fix: What to do.
        free: Keys of ``network_identity`` that may differ.
    """
    now = {key: value for key, value in network_identity(network).items() if key in stored and key not in free}
    different = [
        f"{key} was {stored[key]}, is {value}"
        for key, value in now.items()
        if _meaning(key, stored[key]) != _meaning(key, value)
    ]
    if different:
        raise CheckpointError(f"the weights are those of another network: {'; '.join(different)}", where, fix)


def _meaning(key: str, value: Any) -> Any:
    """Return a value by the name that all its other names stand for."""
    return SAME_ACTIVATION.get(value, value) if key == "network.hidden_act" else value


def check_start_network(checkpoint: Path, network: NetworkConfig) -> None:
    """Raise ``CheckpointError`` when a checkpoint that a training begins with lies in a run with another network.

    Args:
        checkpoint: The checkpoint.
        network: The configured network.
    """
    owner = _run_of(checkpoint)
    if is_run_directory(owner):
        fix = (
            f"give the network of {owner / CONFIG_NAME}, or other weights; "
            "to begin with these on purpose, name a copy of the file outside of the run"
        )
        check_same_network(_stored_in(owner), network, str(checkpoint), fix, _FREE_AT_START)


def check_scored_network(checkpoint: Path, network: NetworkConfig, run: Path | None = None) -> None:
    """Raise ``CheckpointError`` when a checkpoint that is scored lies in a run with another network.

    Args:
        checkpoint: The checkpoint.
        network: The configured network.
        run: The run it belongs to; ``None`` takes the one it lies in, if any.
    """
    owner = _run_of(checkpoint) if run is None else run
    if is_run_directory(owner):
        fix = f"give the network of {owner / CONFIG_NAME}, or another checkpoint"
        check_same_network(_stored_in(owner), network, str(checkpoint), fix)


def _run_of(checkpoint: Path) -> Path:
    """Return the folder that is the run of a checkpoint, where it lies in one."""
    return checkpoint.resolve().parent.parent


def _stored_in(run: Path) -> dict[str, Any]:
    """Return the network of a run's configuration by the keys of ``network_identity``."""
    return identity_in_config(read_config(run / CONFIG_NAME))
