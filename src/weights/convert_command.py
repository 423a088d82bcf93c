"""The command ``convert_tf_ckpt/convert.py``: read weights, write them in another format, check, publish."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from pathlib import Path

from src.common.interrupts import held_interrupts, interrupted_by_sigterm
from src.weights.convert_options import ConvertOptions, parse_options
from src.weights.huggingface import CONFIG_FILE, WEIGHTS_FILE
from src.weights.huggingface_tokenizer import TokenizerFiles
from src.weights.input_format import InputFormat, OutputFormat, recognise_output
from src.weights.network_file import tells_of
from src.weights.output_files import check_folder, check_targets, publish, remove_others, staging_folder
from src.weights.read_input import InputWeights, read_input
from src.weights.resize import resize_vocabulary
from src.weights.tf_names import Layout
from src.weights.verify import check_read_back, reason_not_to_compare
from src.weights.write_output import (
    HUGGINGFACE_NAMES,
    OutputContent,
    OutputPlace,
    StagedOutput,
    output_place,
    write_output,
)

_LAYOUTS = {"google": Layout.GOOGLE_TF1, "model_garden": Layout.TF2_MODEL_GARDEN}
_READ_AS = {
    OutputFormat.CKPT: InputFormat.MINDSPORE,
    OutputFormat.SAFETENSORS: InputFormat.MINDSPORE,
    OutputFormat.HUGGINGFACE: InputFormat.HUGGINGFACE,
    OutputFormat.TENSORFLOW: InputFormat.TENSORFLOW,
}


def main(argv: Sequence[str]) -> int:
    """Convert as the arguments say, print what was done, and return the exit status."""
    options = parse_options(argv)
    kind = OutputFormat(options.output_format) if options.output_format else recognise_output(options.output)
    place = output_place(options.output, kind)
    with interrupted_by_sigterm():
        _check_place(place, (), (), options.overwrite)
        wanted = InputFormat(options.input_format) if options.input_format else None
        read = read_input(options.input, wanted, options.config)
        _print_input(read)
        _convert(read, place, options)
    return 0


def _check_place(place: OutputPlace, inputs: Sequence[Path], more: Sequence[Path], overwrite: bool) -> None:
    """Raise ``OutputError`` unless the output, with the files ``more`` beside it, may be written there."""
    if place.format is OutputFormat.HUGGINGFACE:
        check_folder(place.folder, HUGGINGFACE_NAMES, inputs, overwrite)
    else:
        check_targets((*place.own_files(), *more), inputs, overwrite)


def _files_beside(place: OutputPlace, content: OutputContent) -> list[Path]:
    """Return what is written beside the weights and is not there yet: tokenizer, overlay, names of classes."""
    files = []
    if content.tokenizer is not None and content.tokenizer.file is not None:
        files.append(place.folder / content.tokenizer.file.name)
    if place.overlay is not None and not tells_of(place.overlay, content.network):
        files.append(place.overlay)
    # An earlier one would tell of other classes: it is replaced or removed.
    task = place.task_file
    if task is not None and (task.is_dir() or _text_of(task) != content.task_text()):
        files.append(task)
    return files


def _text_of(path: Path) -> str:
    """Return the content of a file, empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _tokenizer_to_copy(read: InputWeights, place: OutputPlace) -> TokenizerFiles | None:
    """Return the tokenizer, unless the same file is at its place already."""
    if read.tokenizer is None or read.tokenizer.file is None or place.format is OutputFormat.HUGGINGFACE:
        return read.tokenizer
    target = place.folder / read.tokenizer.file.name
    same = target.is_file() and filecmp.cmp(read.tokenizer.file, target, shallow=False)
    return None if same else read.tokenizer


def _content(read: InputWeights, place: OutputPlace, options: ConvertOptions) -> tuple[OutputContent, tuple[str, ...]]:
    """Return what is to be written, and a sentence for each change."""
    weights, network = read.weights, read.network
    notices: tuple[str, ...] = ()
    if options.vocab_size is not None:
        weights, notices = resize_vocabulary(weights, options.vocab_size, options.seed)
        network = network.model_copy(update={"vocab_size": options.vocab_size})
    content = OutputContent(
        weights=weights,
        network=network,
        tokenizer=_tokenizer_to_copy(read, place),
        labels=read.labels if "dense_1.bias" in weights else (),
        architecture=options.architecture or read.architecture,
        layout=_LAYOUTS[options.tf_layout],
        source=read.path.name,
        do_lower_case=read.tokenizer is None or read.tokenizer.do_lower_case,
        tokenizer_name=read.tokenizer.file.name if read.tokenizer is not None and read.tokenizer.file else "",
    )
    return content, notices


def _convert(read: InputWeights, place: OutputPlace, options: ConvertOptions) -> None:
    """Write, check, and give the files their names."""
    content, notices = _content(read, place, options)
    beside = _files_beside(place, content)
    _check_place(place, read.files, beside, options.overwrite)
    with staging_folder(place.folder) as folder:
        staged = write_output(folder, place, content)
        _print_notes((*read.notices, *notices, *staged.notices))
        _verify(read, staged, place, content, options)
        kept = () if place.overlay is None or place.overlay in beside else (place.overlay.name,)
        written = publish([path for path in staged.files if path.name not in kept], place.folder)
    if place.task_file is not None and place.task_file not in written:
        place.task_file.unlink(missing_ok=True)
    if place.format is OutputFormat.HUGGINGFACE:
        # Of an earlier output; another tokenizer beside the new one would be loaded.
        remove_others(place.folder, HUGGINGFACE_NAMES, written)
    print(f"wrote {', '.join(str(path) for path in written)}")
    if place.overlay is not None:
        checkpoint = place.folder / place.name
        print(f"use it with: --overlay {place.overlay} --load_pretrain_checkpoint_path {checkpoint}")
        print("to go on pre-training: run_pretrain.py with the same --overlay, and --load_checkpoint_path")


def _print_input(read: InputWeights) -> None:
    """Print what the input is and how far it covers its network."""
    print(f"read {read.format.value} weights")
    print(read.coverage.text())
    heads = ", ".join(sorted({name.split(".", 1)[0] for name in read.coverage.loaded_heads})) or "none"
    print(f"heads in the file: {heads}; every other head begins anew")


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}")


def _verify(
    read: InputWeights, staged: StagedOutput, place: OutputPlace, content: OutputContent, options: ConvertOptions
) -> None:
    """Read the written files back, and compare what the networks compute where another program is there.

    Raises:
        CheckpointError: Something differs.
        ConfigError: The comparison was asked for and cannot be done.
    """
    where = str(place.folder / place.name)
    is_folder = place.format is OutputFormat.HUGGINGFACE
    back = read_input(staged.main.parent if is_folder else staged.main, _READ_AS[place.format])
    count = check_read_back(content.weights, back.weights, where)
    print(f"read back: {count} parameters are equal to the bit")
    theirs = _huggingface_folder(read, options.input) or (staged.main.parent if is_folder else None)
    reason = reason_not_to_compare(theirs, options.verify)
    if reason or theirs is None:
        print(f"outputs not compared: {reason}; names, shapes and the read-back values were checked instead")
        return
    with held_interrupts():
        from src.weights.verify_huggingface import compare_with_huggingface

    comparison = compare_with_huggingface(theirs, back.weights, back.network)
    print(comparison.text())
    comparison.require_equal(where)


def _huggingface_folder(read: InputWeights, given: Path) -> Path | None:
    """Return the folder of the input that HF's own code can load."""
    folder = read.path.parent
    whole = given.is_dir() or given.name == WEIGHTS_FILE
    is_folder = read.format is InputFormat.HUGGINGFACE and whole and (folder / CONFIG_FILE).is_file()
    return folder if is_folder else None
