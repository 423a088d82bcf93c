"""What an export is to make, checked before MindSpore is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError, OutputError
from src.common.run_directory import run_of_folder
from src.config.load import LoadedConfig
from src.export.description import (
    AIR,
    MINDIR,
    SUFFIXES,
    assets_folder,
    described_file,
    description_path,
    is_description,
)
from src.export.encryption import check_mode, read_key
from src.tasks.assets import TASK_FILE


@dataclass(frozen=True)
class ExportPlan:
    """What to write, and where.

    Attributes:
        format: ``MINDIR``, ``ONNX`` or ``AIR``.
        part: ``model`` or ``encoder``.
        rows: Rows of every batch; ``None`` for any.
        length: Tokens of every row; ``None`` takes the length of the training, or any where ``rows`` is ``None``.
        predictions: Places of [MASK] of every row.
        target: The model's file.
        overwrite: Whether an earlier export may be replaced.
        device_target: Where to compute.
        device_id: Number of the device.
        key: Key to encrypt with; it is never shown.
        encryption: How to encrypt; empty for not at all.
        asks_predictions: Whether the user has chosen ``predictions``.
    """

    format: str
    part: str
    rows: int | None
    length: int | None
    predictions: int
    target: Path
    overwrite: bool
    device_target: str
    device_id: int
    key: bytes | None = field(repr=False)
    encryption: str
    asks_predictions: bool = False

    @property
    def is_dynamic(self) -> bool:
        """Whether the model takes batches of any size and length."""
        return self.rows is None


def make_plan(loaded: LoadedConfig[Any]) -> ExportPlan:
    """Return what the configuration asks for.

    Raises:
        ConfigError: Keys contradict each other, or the key for the encryption cannot be read.
        OutputError: The export would go over something else.
    """
    values = loaded.values
    file_format: str = values.file_format
    if values.export_dynamic and file_format != MINDIR:
        what = f"{file_format} files take batches of one size: MindSpore writes no others"
        raise ConfigError(what, "export_dynamic", "leave it out, or take file_format MINDIR")
    if file_format == AIR and values.device_target != "Ascend":
        fix = "set device_target to Ascend on a machine that has one, or export MINDIR, which converter_lite takes"
        raise ConfigError("only an Ascend writes AIR files", "file_format", fix)
    if values.enc_key_file and file_format != MINDIR:
        raise ConfigError(f"MindSpore does not encrypt {file_format} files", "enc_key_file", "leave it out")
    if not values.enc_key_file and _is_chosen(loaded, "enc_mode"):
        what = "without a key the model would not be encrypted"
        raise ConfigError(what, "enc_mode", "give --enc_key_file, too, or leave enc_mode out")
    key = read_key(values.enc_key_file) if values.enc_key_file else None
    if key is not None:
        check_mode(key, values.enc_mode)
    plan = ExportPlan(
        format=file_format,
        part=values.export_part,
        rows=None if values.export_dynamic else values.export_batch_size,
        length=None if values.export_dynamic else values.export_seq_length,
        predictions=values.export_predictions,
        target=_target(values.export_file_name, file_format),
        overwrite=values.overwrite,
        device_target=values.device_target,
        device_id=values.device_id,
        key=key,
        encryption=values.enc_mode if key is not None else "",
        asks_predictions=_is_chosen(loaded, "export_predictions"),
    )
    check_free(plan)
    return plan


def _is_chosen(loaded: LoadedConfig[Any], key: str) -> bool:
    """Tell whether the user has set a key: on the command line, or in a file to another value than the default."""
    default = type(loaded.values).model_fields[key].default
    return key in loaded.given or getattr(loaded.values, key) != default


def _target(name: str, file_format: str) -> Path:
    """Return the model's file."""
    suffix = SUFFIXES[file_format]
    path = Path(name)
    if name.endswith(("/", "/.", "/..")) or path.name in ("", "..") or path.is_dir():
        raise ConfigError("this is a folder", f"export_file_name {name}", "add a name for the model")
    if path.suffix.lower() in SUFFIXES.values():
        if path.suffix.lower() != suffix:
            what = f"the ending {path.suffix} is not that of {file_format}"
            raise ConfigError(what, f"export_file_name {name}", f"leave the ending out, or write {suffix}")
        path = path.with_suffix("")
    return path.with_name(f"{path.name}{suffix}")


def check_free(plan: ExportPlan) -> None:
    """Raise ``OutputError`` when something lies where the export should go, that is not to be replaced."""
    model, description, assets = plan.target, description_path(plan.target), assets_folder(plan.target)
    run = run_of_folder(model.parent)
    if run is not None:
        what = f"here the run {run.name} keeps files of its own"
        raise OutputError(what, str(model.parent), "choose another --export_file_name")
    is_export = is_description(description)
    other = described_file(description) if is_export else model.name
    if other != model.name:
        what = f"{description.name} describes another model, {other}"
        raise OutputError(what, str(description), "choose another --export_file_name for this format")
    fits = ((description, is_export), (model, is_export and model.is_file()), (assets, _is_assets(assets)))
    for path, is_fit in fits:
        if not path.exists() and not path.is_symlink():
            continue
        if not is_fit:
            what = "something else stands where the export should go"
            raise OutputError(what, str(path), "choose another --export_file_name, or move it away")
        if not plan.overwrite:
            fix = "choose another --export_file_name, or set --overwrite true"
            raise OutputError("there is an export of this name already", str(path), fix)


def _is_assets(folder: Path) -> bool:
    """Tell whether a folder holds nothing but what an export puts there: the description of the task, a tokenizer."""
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {str(folder)}
    return len(names - {TASK_FILE}) <= (TASK_FILE in names)
