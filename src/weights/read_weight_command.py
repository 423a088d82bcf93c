"""The command ``convert_tf_ckpt/read_weight_tf.py``, first of the two steps of the model zoo's conversion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser, true_or_false
from src.common.interrupts import interrupted_by_sigterm
from src.weights.array_folder import own_names, read_arrays, write_arrays
from src.weights.input_format import InputFormat
from src.weights.output_files import check_folder, publish, remove_others, staging_folder
from src.weights.read_input import read_input
from src.weights.verify import check_read_back


def make_parser() -> OneLineParser:
    """Return the parser of the command."""
    parser = OneLineParser(
        prog="read_weight_tf.py", description="Write every weight of a TensorFlow checkpoint as a .npy file."
    )
    add = parser.add_argument
    text = "prefix, .index file, folder or file 'checkpoint' of the TensorFlow checkpoint"
    add("--ckpt_file_path", type=Path, required=True, metavar="PATH", help=text)
    add("--output_path", type=Path, required=True, metavar="DIR", help="new or empty folder")
    text = "albert_config.json (default: looked for beside the checkpoint)"
    add("--config", type=Path, default=None, metavar="FILE", help=text)
    text = "replace what an earlier run wrote into the folder (default false)"
    add("--overwrite", type=true_or_false, default=False, metavar="true|false", help=text)
    return parser


def main(argv: Sequence[str]) -> int:
    """Write the files and return the exit status."""
    options = make_parser().parse(argv)
    target: Path = options.output_path
    earlier = own_names(target)
    check_folder(target, earlier, (), options.overwrite)
    with interrupted_by_sigterm():
        read = read_input(options.ckpt_file_path, InputFormat.TENSORFLOW, options.config)
        print(read.coverage.text())
        for notice in read.notices:
            print(f"note: {notice}")
        with staging_folder(target) as folder:
            staged = write_arrays(folder, read.weights, read.network, read.path.name)
            check_read_back(read.weights, read_arrays(folder)[0], str(target))
            written = publish(staged, target)
        remove_others(target, earlier, written)
    print(f"wrote {len(written) - 1} arrays to {target}; next: save_weight_ms.py --load_dir={target}")
    return 0
