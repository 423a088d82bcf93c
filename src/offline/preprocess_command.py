"""The command ``preprocess.py``: rows of an evaluation as raw files for a program that runs an exported model."""

from __future__ import annotations

from collections.abc import Sequence

from src.common.interrupts import interrupted_by_sigterm
from src.common.log import setup_logging
from src.offline.preprocess_options import parse_options


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option, an input or the output is wrong.
    """
    options = parse_options(argv)
    setup_logging()
    # Imported here, so that --help and mistakes in options do not wait for MindSpore.
    from src.offline.batch_folder import check_place, write_batches
    from src.offline.preparation import prepare

    with interrupted_by_sigterm():
        check_place(options.result_path, overwrite=options.overwrite)
        prepared = prepare(options)
        manifest = prepared.manifest
        write_batches(
            options.result_path,
            manifest,
            prepared.table,
            prepared.references,
            prepared.tokenizer_file,
            overwrite=options.overwrite,
        )
    print(
        f"{options.result_path}: {manifest.task}, {manifest.rows:,} rows in {len(manifest.files):,} batches of "
        f"{manifest.batch_size} x {manifest.length} tokens"
    )
    return 0
