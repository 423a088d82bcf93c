"""The data folder of the TensorFlow 2 fine-tuning on Ascend, as its users have it.

.. code-block:: text

    albert_data
    ├── albert_base      30k-clean.model, albert_config.json, bert_model.ckpt.index, bert_model.ckpt.data-...
    ├── albert_large     the same of the other size
    └── MNLI_dataset     MNLI_train.tf_record, MNLI_eval.tf_record, MNLI_meta_data

Nothing is written into it: it may be read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.glue_tasks import glue_task_name
from src.common.json_files import read_object
from src.config.sections import NetworkConfig

CONFIG_FILE = "albert_config.json"
_SPM_MODEL, _VOCABULARY = "30k-clean.model", "vocab.txt"
_CHECKPOINT, _INDEX = "bert_model.ckpt", ".index"
_MODEL_PREFIX, _DATA_SUFFIX = "albert_", "_dataset"
_COPY = "copy the file that belongs to the weights"
# What decides which function a network computes; dropout is a matter of the training.
_CHECKED = (
    "vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "num_hidden_groups", "inner_group_num",
)  # fmt: skip
# What a custom network takes from the file besides.
_TAKEN = (*_CHECKED, "hidden_act", "initializer_range")
_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def model_folder(root: Path, size: str, custom: str = "") -> Path:
    """Return the folder of the pre-trained model: ``albert_<size>``, and for ``custom`` the only one there is.

    Args:
        root: The data folder.
        size: Name of the network.
        custom: For ``custom`` the name of the folder; empty for the only one there is.

    Raises:
        ConfigError: There is none, or more than one could be meant.
    """
    if not root.is_dir():
        raise ConfigError(
            "there is no such folder", f"albert_data_dir {root}", "give the folder that holds albert_base"
        )
    there = sorted(path.name for path in root.glob(f"{_MODEL_PREFIX}*") if path.is_dir())
    if size == "custom" and custom:
        if custom in there:
            return root / custom
        fix = f"choose it with custom_network_dir; there is {', '.join(there) or 'no folder of a model'}"
        raise ConfigError(f"there is no folder {custom}", f"albert_data_dir {root}", fix)
    if size != "custom":
        if f"{_MODEL_PREFIX}{size}" in there:
            return root / f"{_MODEL_PREFIX}{size}"
        fix = f"put the pre-trained model there, in a folder {_MODEL_PREFIX}{size}"
        if there:
            fix = f"choose the size with albert_network; there is {', '.join(there)}"
        raise ConfigError(f"there is no folder {_MODEL_PREFIX}{size}", f"albert_data_dir {root}", fix)
    if len(there) != 1:
        what = f"albert_network custom needs one folder albert_..., there is {', '.join(there) or 'none'}"
        raise ConfigError(what, f"albert_data_dir {root}", "name the one of your network with custom_network_dir")
    return root / there[0]


def described_network(folder: Path) -> dict[str, Any]:
    """Return the keys of a network as the ``albert_config.json`` beside its weights gives them, without dropout.

    Raises:
        ConfigError: The file is missing or damaged, or a size is none.
    """
    path = folder / CONFIG_FILE
    content = _read_json(path)
    for key in _CHECKED:
        size = content.get(key, 1)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(f"{key} is {size!r}, not a number over 0", str(path), _COPY)
    return {key: content[key] for key in _TAKEN if key in content}


def check_network(folder: Path, network: NetworkConfig, section: str) -> list[str]:
    """Compare the network with the ``albert_config.json`` beside the weights.

    The shapes of weights do not tell how often ALBERT's one layer is run, nor the number of its heads.

    Args:
        folder: The folder of the model.
        network: The network that will be trained.
        section: Name of the section that describes it.

    Returns:
        Notices: dropout may differ, and is easily forgotten.

    Raises:
        ConfigError: The file is missing or damaged, or describes another network.
    """
    path = folder / CONFIG_FILE
    content = _read_json(path)
    ours = network.model_dump()
    different = [
        f"{key} is {content[key]} there, {ours[key]} in {section}"
        for key in _CHECKED
        if key in content and content[key] != ours[key]
    ]
    if different:
        fix = "choose the size with albert_network, or put the files of this size there"
        raise ConfigError(f"it describes another network: {'; '.join(different)}", str(path), fix)
    return [
        f"{path} says {key} {content[key]}, this training has {ours[key]}: albert_version v2 has none"
        for key in _DROPOUT
        if key in content and content[key] != ours[key]
    ]


def model_paths(folder: Path) -> dict[str, str]:
    """Return the keys of the vocabulary and the weights, as far as their files are there."""
    models, vocabularies = _named(folder, _SPM_MODEL, "*.model"), _named(folder, _VOCABULARY, "vocab*.txt")
    checkpoints = _named(folder, f"{_CHECKPOINT}{_INDEX}", f"*{_INDEX}")
    found: dict[str, str] = {}
    if models:
        found["spm_model_file"] = str(models)
    elif vocabularies:
        found["vocab_file_path"] = str(vocabularies)
    if checkpoints:
        found["load_pretrain_checkpoint_path"] = str(checkpoints).removesuffix(_INDEX)
    return found


def data_paths(root: Path, task_name: str) -> dict[str, str]:
    """Return the keys of the records.

    Args:
        root: The data folder.
        task_name: The task; empty where the folder holds one data set.

    Raises:
        ConfigError: No data set is there, or several and none is named.
    """
    folder = _data_folder(root, task_name)
    task = folder.name.removesuffix(_DATA_SUFFIX)
    names = {
        "train_data_file_path": f"{task}_train.tf_record",
        "eval_data_file_path": f"{task}_eval.tf_record",
        "test_data_file_path": f"{task}_test.tf_record",
        "meta_data_file_path": f"{task}_meta_data",
    }
    optional = ("test_data_file_path", "meta_data_file_path")
    return {key: str(folder / name) for key, name in names.items() if key not in optional or (folder / name).is_file()}


def _data_folder(root: Path, task_name: str) -> Path:
    there = sorted(path for path in root.glob(f"*{_DATA_SUFFIX}") if path.is_dir())
    names = ", ".join(path.name for path in there)
    where = f"albert_data_dir {root}"
    if task_name:
        wanted = _plain(task_name)
        found = [path for path in there if _plain(path.name.removesuffix(_DATA_SUFFIX)) == wanted]
        if not found:
            fix = f"change task_name; there is {names}" if there else "put the folder of its records there"
            raise ConfigError(f"there is no {task_name}{_DATA_SUFFIX}", where, fix)
        return found[0]
    if len(there) != 1:
        what = f"one data set is expected, there is {names or f'no folder <TASK>{_DATA_SUFFIX}'}"
        raise ConfigError(what, where, "name one with task_name" if there else "put the folder of the records there")
    return there[0]


def _plain(name: str) -> str:
    """Return a task's name as it is compared: GLUE's is known under several spellings."""
    return (glue_task_name(name) or name).lower()


def _named(folder: Path, usual: str, pattern: str) -> Path | None:
    """Return a file by its usual name, or the only one that fits a pattern."""
    if (folder / usual).is_file():
        return folder / usual
    # Files whose name begins with a dot are temporary, or made by macOS's archiver.
    found = [path for path in sorted(folder.glob(pattern)) if path.is_file() and path.name[0] != "."]
    return found[0] if len(found) == 1 else None


def _read_json(path: Path) -> Mapping[str, Any]:
    absent = ConfigError(f"the folder lacks {CONFIG_FILE}", str(path.parent), _COPY)
    return read_object(path, ConfigError, "check its permissions", "copy or download it again", absent)
