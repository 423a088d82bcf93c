"""Fill in the paths that a configuration of run_classifier.py leaves to its data folder and to its mode."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from src.common.errors import ConfigError
from src.config.albert_folder import check_network, data_paths, model_folder, model_paths
from src.config.classifier import ClassifierConfig
from src.config.load import LoadedConfig

_BEST = ("checkpoints", "classifier-best.ckpt")


def with_paths(loaded: LoadedConfig[ClassifierConfig]) -> LoadedConfig[ClassifierConfig]:
    """Return the configuration with every path that ``albert_data_dir`` and ``mode`` stand for.

    Paths that the configuration gives itself are kept. Call it when the folder is there.

    Raises:
        ConfigError: The folder lacks something, or does not belong to the network.
    """
    values = loaded.values
    given: dict[str, str] = {}
    notices: list[str] = []
    if values.albert_data_dir and values.mode != "export_only":
        root = Path(values.albert_data_dir)
        folder = model_folder(root, values.albert_network, values.custom_network_dir)
        notices = check_network(folder, loaded.network(), values.network_section())
        given = {**model_paths(folder), **data_paths(root, values.task_name)}
        _check_weights(values, given, folder)
    if values.mode == "predict":
        given = _for_predictions(loaded, given)
    if values.from_scratch:
        given.pop("load_pretrain_checkpoint_path", None)
    updates = {key: path for key, path in given.items() if not getattr(values, key)}
    return dataclasses.replace(loaded, values=values.model_copy(update=updates), notices=(*loaded.notices, *notices))


def _check_weights(values: ClassifierConfig, given: dict[str, str], folder: Path) -> None:
    """Raise ``ConfigError`` where a training would begin without weights."""
    named = values.load_pretrain_checkpoint_path or "load_pretrain_checkpoint_path" in given
    if values.do_train and not (named or values.from_scratch or values.resume):
        fix = "copy bert_model.ckpt.index and bert_model.ckpt.data-00000-of-00001 there"
        raise ConfigError("no TensorFlow checkpoint (one file *.index) is in this folder", str(folder), fix)


def _for_predictions(loaded: LoadedConfig[ClassifierConfig], given: dict[str, str]) -> dict[str, str]:
    """Return the paths of ``mode predict``: the test rows or else the evaluation's, the run's best checkpoint."""
    values = loaded.values
    rows = given.get("test_data_file_path") or values.eval_data_file_path or given.get("eval_data_file_path", "")
    if not (values.test_data_file_path or rows):
        what = "mode predict needs test_data_file_path, or eval_data_file_path to predict its rows"
        raise ConfigError(what, "mode", "give the path of a record file, or albert_data_dir")
    checkpoint = loaded.run_directory().joinpath(*_BEST)
    if not values.load_finetune_checkpoint_path and not checkpoint.is_file():
        fix = "name the run with run_dir, or a checkpoint with load_finetune_checkpoint_path"
        raise ConfigError("mode predict needs the best checkpoint of a trained run", str(checkpoint), fix)
    return {**given, "test_data_file_path": rows, "load_finetune_checkpoint_path": str(checkpoint)}
