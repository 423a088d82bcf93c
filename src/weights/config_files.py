"""The network's settings in the files of Google (``albert_config.json``) and of HF transformers (``config.json``).

Both name most keys as this project does. What differs:

* ``hidden_act``. All of Google's code computes the tanh form of GELU, also for ``gelu``; so does this project's
  ``gelu``. HF computes the exact form (erf) for ``gelu``, here ``gelu_erf``, and the tanh form for ``gelu_new``. HF's
  files of ALBERT v1 say ``gelu`` although Google trained these weights with tanh, those of v2 say ``gelu_new``. So the
  numbers of HF for v1 need ``gelu_erf``, the numbers of Google ``gelu``; a notice says so.
* Dropout. v1 has 0.1 in the encoder, v2 and xxlarge 0. Before a fine-tuning head HF has ``classifier_dropout_prob``,
  0.1 by default; Google's code has 0.1 as a constant.
* ``layer_norm_eps``. A constant 1e-12 in Google's code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from src.common.errors import CheckpointError
from src.common.json_files import read_object
from src.config.network_keys import IGNORED_GOOGLE_KEYS
from src.config.sections import NetworkConfig

_SIZE_KEYS = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_SHARED_KEYS = (
    *_SIZE_KEYS, "embedding_size", "num_hidden_groups", "inner_group_num", "hidden_dropout_prob",
    "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size", "initializer_range",
)  # fmt: skip
_HUGGINGFACE_KEYS = (*_SHARED_KEYS, "classifier_dropout_prob", "layer_norm_eps")
# What both programs take where a file does not say it, as far as it differs from this project's defaults.
_DEFAULTS = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02}
_GOOGLE_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_new", "relu": "relu"}
_HUGGINGFACE_ACTIVATIONS = {
    "gelu": "gelu_erf", "gelu_python": "gelu_erf", "gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new",
    "gelu_fast": "gelu_new", "relu": "relu",
}  # fmt: skip
_TO_HUGGINGFACE = {"gelu": "gelu_new", "gelu_new": "gelu_new", "gelu_erf": "gelu", "relu": "relu"}
_MARKS_OF_HUGGINGFACE = ("model_type", "architectures", "transformers_version", "classifier_dropout_prob")
_GOOGLE_EPSILON = 1e-12
_WRITTEN_IGNORED = {"net_structure_type": 0, "gap_size": 0, "num_memory_blocks": 0, "down_scale_factor": 1}
_NOTICE_V1 = (
    "the file's activation is gelu, which HF transformers computes exactly (erf): here it is gelu_erf, so that the"
    " numbers are those of HF. If the weights are those that Google released as v1, they were trained with the tanh"
    " form: set hidden_act to gelu to get the numbers of Google's code"
)


@dataclass(frozen=True)
class NetworkFile:
    """What a file says of the network.

    Attributes:
        keys: Keys of ``NetworkConfig``, ready for ``albert_net_cfg``.
        ignored: Keys of the file that nothing here reads.
        notices: What the user should know, a sentence each.
        labels: Names of the classes in the order of their ids; none where the file does not name them.
        architecture: HF's name of the network with its head; empty for Google's files.
    """

    keys: Mapping[str, Any]
    ignored: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    architecture: str = ""

    def network(self, where: str) -> NetworkConfig:
        """Return the settings as they are checked everywhere; raise ``CheckpointError`` where they make no network."""
        try:
            return NetworkConfig(**self.keys)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            text = first["msg"].removeprefix("Value error, ")
            raise CheckpointError(f"{key}: {text}" if key else text, where, "mend the file") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Raises:
        CheckpointError: It cannot be read or holds something else.
    """
    return read_object(path, CheckpointError, "check the path", "copy or download it again")


def read_config_file(path: Path) -> NetworkFile:
    """Return what a file of Google or of HF says of the network; its keys tell which it is."""
    content = read_json_object(path)
    is_huggingface = any(key in content for key in _MARKS_OF_HUGGINGFACE)
    return (network_from_huggingface if is_huggingface else network_from_google)(content, str(path))


def network_from_google(content: Mapping[str, Any], where: str) -> NetworkFile:
    """Return what an ``albert_config.json`` says of the network.

    Raises:
        CheckpointError: A size is missing, or the network is one that this project lacks.
    """
    if str(content.get("ln_type", "postln")).lower() != "postln":
        what = "the network normalises before each layer (ln_type preln), which this project has not"
        raise CheckpointError(what, where, "take another of brightmart's models, or one in Google's layout")
    activation = _activation(content, _GOOGLE_ACTIVATIONS, "gelu", where)
    keys = {**_DEFAULTS, **_taken(content, _SHARED_KEYS, where), "hidden_act": activation}
    ignored = tuple(key for key in content if key not in (*_SHARED_KEYS, "hidden_act"))
    unknown = [key for key in ignored if key not in IGNORED_GOOGLE_KEYS]
    notices = (f"keys that nothing here reads: {', '.join(unknown)}",) if unknown else ()
    return NetworkFile(_with_length(keys), ignored, notices)


def network_from_huggingface(content: Mapping[str, Any], where: str) -> NetworkFile:
    """Return what HF's ``config.json`` says of the network.

    Raises:
        CheckpointError: It is another model's, a size is missing, or the network is one that this project lacks.
    """
    model_type = content.get("model_type", "albert")
    if model_type != "albert":
        raise CheckpointError(f"the model is of type {model_type!r}", where, "give an ALBERT's folder")
    if content.get("position_embedding_type", "absolute") != "absolute":
        what = f"position_embedding_type {content['position_embedding_type']!r} is not supported"
        raise CheckpointError(what, where, "give a model with absolute positions")
    activation = _activation(content, _HUGGINGFACE_ACTIVATIONS, "gelu_new", where)
    keys = {**_DEFAULTS, **_taken(content, _HUGGINGFACE_KEYS, where), "hidden_act": activation}
    architectures = content.get("architectures")
    architecture = architectures[0] if isinstance(architectures, list) and architectures else ""
    return NetworkFile(
        _with_length(keys),
        tuple(key for key in content if key not in (*_HUGGINGFACE_KEYS, "hidden_act", "architectures", "id2label")),
        (_NOTICE_V1,) if content.get("hidden_act") == "gelu" else (),
        _labels(content, where),
        architecture if isinstance(architecture, str) else "",
    )


def _taken(content: Mapping[str, Any], names: Sequence[str], where: str) -> dict[str, Any]:
    """Return the keys of a file that are ours too; a size that is missing is an error and not guessed."""
    missing = [name for name in _SIZE_KEYS if content.get(name) is None]
    if missing:
        raise CheckpointError(
            f"the file lacks {', '.join(missing)}", where, "give the file that belongs to the weights"
        )
    return {name: content[name] for name in names if content.get(name) is not None}


def _activation(content: Mapping[str, Any], known: Mapping[str, str], default: str, where: str) -> str:
    name = content.get("hidden_act", default)
    if not isinstance(name, str) or name.lower() not in known:
        fix = f"choose one of {', '.join(known)}, if the weights were trained with it"
        raise CheckpointError(f"hidden_act {name!r} is not supported", where, fix)
    return known[name.lower()]


def _with_length(keys: dict[str, Any]) -> dict[str, Any]:
    """Shorten the sequences where the table of positions is shorter than their default length."""
    positions = keys.get("max_position_embeddings")
    length = NetworkConfig.model_fields["seq_length"].default
    return {**keys, "seq_length": positions} if isinstance(positions, int) and 0 < positions < length else keys


def _labels(content: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return HF's names of classes by id; its placeholders ``LABEL_0`` count as none."""
    names = content.get("id2label")
    if not isinstance(names, dict) or not names:
        return ()
    try:
        labels = tuple(str(names[str(index)]) for index in range(len(names)))
    except KeyError as error:
        raise CheckpointError("id2label does not count from 0", where, "number the classes from 0") from error
    return () if all(label == f"LABEL_{index}" for index, label in enumerate(labels)) else labels


def google_config(network: NetworkConfig) -> dict[str, Any]:
    """Return the content of an ``albert_config.json``.

    Raises:
        CheckpointError: Google's code cannot compute this network.
    """
    if network.hidden_act == "gelu_erf":
        what = "Google's code has no exact GELU (gelu_erf), so it would compute other numbers"
        raise CheckpointError(what, "hidden_act", "train with gelu, or write Hugging Face's format")
    if network.use_relative_positions:
        raise CheckpointError("Google's code has no relative positions", "use_relative_positions", "write .ckpt")
    if network.layer_norm_eps != _GOOGLE_EPSILON:
        what = f"Google's code has a constant epsilon of {_GOOGLE_EPSILON}, so it would compute other numbers"
        raise CheckpointError(what, f"layer_norm_eps {network.layer_norm_eps}", "write Hugging Face's format")
    activation = "relu" if network.hidden_act == "relu" else "gelu"
    shared = {key: getattr(network, key) for key in sorted(_SHARED_KEYS)}
    return {**shared, "hidden_act": activation, **_WRITTEN_IGNORED}


def huggingface_config(
    network: NetworkConfig,
    architecture: str,
    *,
    special_ids: Mapping[str, int] | None = None,
    labels: Sequence[str] = (),
    num_labels: int | None = None,
    problem_type: str | None = None,
) -> dict[str, Any]:
    """Return the content of HF's ``config.json``.

    Args:
        network: The network.
        architecture: HF's class, for example ``AlbertForSequenceClassification``.
        special_ids: Ids of ``pad``, ``cls`` and ``sep``; those of Google's English vocabulary by default.
        labels: Names of the classes in the order of their ids.
        num_labels: Number of outputs of the head, where there are no names.
        problem_type: HF's name of the task (``regression``, ``single_label_classification``).

    Raises:
        CheckpointError: HF transformers cannot compute this network.
    """
    if network.use_relative_positions:
        raise CheckpointError("HF's ALBERT has no relative positions", "use_relative_positions", "write .ckpt")
    ids = {"pad": 0, "cls": 2, "sep": 3, **(special_ids or {})}
    content: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": "albert",
        **{key: getattr(network, key) for key in sorted(_HUGGINGFACE_KEYS)},
        "hidden_act": _TO_HUGGINGFACE[network.hidden_act],
        "position_embedding_type": "absolute",
        "pad_token_id": ids["pad"],
        "bos_token_id": ids["cls"],
        "eos_token_id": ids["sep"],
        "torch_dtype": "float32",
    }
    content |= _label_keys(labels or [f"LABEL_{index}" for index in range(num_labels or 0)])
    return content | ({} if problem_type is None else {"problem_type": problem_type})


def _label_keys(names: Sequence[str]) -> dict[str, Any]:
    """Return HF's two tables of classes; without names there are none."""
    if not names:
        return {}
    by_id = {str(index): name for index, name in enumerate(names)}
    return {"id2label": by_id, "label2id": {name: index for index, name in enumerate(names)}}
