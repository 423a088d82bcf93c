"""The command that turns text into pre-training records, or shows such records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.common.errors import DataError
from src.data.pretraining.creation import create
from src.data.pretraining.encoding import SentenceEncoder
from src.data.pretraining.inspect import inspect_records
from src.data.pretraining.options import check_options, input_names, parse_arguments
from src.data.tokenization import load_tokenizer


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or an output is wrong.
    """
    arguments = parse_arguments(argv)
    if arguments.inspect is not None:
        tokenizer = load_tokenizer(arguments.vocab_file, arguments.spm_model_file, arguments.do_lower_case)
        for path in _record_files(input_names(arguments)):
            print("\n".join(inspect_records(path, tokenizer, arguments.inspect)))
        return 0
    options = check_options(arguments)
    tokenizer = load_tokenizer(arguments.vocab_file, arguments.spm_model_file, arguments.do_lower_case)
    # Only to refuse a segmenter that cannot work before anything else is done.
    SentenceEncoder(tokenizer, arguments.segmenter)
    create(options, tokenizer)
    return 0


def _record_files(names: Sequence[str]) -> list[Path]:
    """Return the record files that names stand for; of a folder its first one."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in (".tfrecord", ".mindrecord"))
            if not inside:
                raise DataError("no record file in the folder", name, "name the files")
            path = inside[0]
        files.append(path)
    return files
