"""The command ``convert_tf_ckpt/save_weight_ms.py``, second of the two steps of the model zoo's conversion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser, true_or_false
from src.common.errors import CheckpointError, ConfigError
from src.common.interrupts import interrupted_by_sigterm
from src.weights.array_folder import MANIFEST, read_arrays
from src.weights.config_files import NetworkFile
from src.weights.coverage import CoverageReport, coverage
from src.weights.input_format import InputFormat, OutputFormat
from src.weights.network_file import checked_network
from src.weights.output_files import check_targets, publish, staging_folder
from src.weights.read_input import read_input
from src.weights.tf_names import Layout
from src.weights.verify import check_read_back
from src.weights.write_output import OutputContent, output_place, write_output


def make_parser() -> OneLineParser:
    """Return the parser of the command."""
    parser = OneLineParser(
        prog="save_weight_ms.py", description="Make a MindSpore checkpoint of the .npy files of read_weight_tf.py."
    )
    add = parser.add_argument
    add("--load_dir", type=Path, required=True, metavar="DIR", help="the --output_path of read_weight_tf.py")
    add("--output_file_name", required=True, metavar="FILE", help="checkpoint to write, ending in .ckpt")
    text = "replace an existing checkpoint (default false)"
    add("--overwrite", type=true_or_false, default=False, metavar="true|false", help=text)
    return parser


def _require_whole(report: CoverageReport) -> None:
    """Raise ``CheckpointError`` unless the arrays are a backbone and whole heads, all in the right shapes."""
    report.require_backbone()
    wrong = (*report.missing_heads, *(entry.name for entry in report.wrong_shape), *report.unexpected)
    if wrong:
        what = f"a head does not fit the network: {', '.join(wrong[:4])}"
        raise CheckpointError(what, report.where, "run read_weight_tf.py again, into a new folder")


def main(argv: Sequence[str]) -> int:
    """Write the checkpoint and return the exit status."""
    options = make_parser().parse(argv)
    if not options.output_file_name.endswith(".ckpt"):
        raise ConfigError(f"{options.output_file_name!r} does not end in .ckpt", "--output_file_name", "add the ending")
    place = output_place(options.output_file_name, OutputFormat.CKPT)
    overlay = () if place.overlay is None else (place.overlay,)
    check_targets((*place.own_files(), *overlay), (), options.overwrite)
    with interrupted_by_sigterm():
        weights, manifest = read_arrays(options.load_dir)
        where = str(options.load_dir / MANIFEST)
        network = checked_network(NetworkFile(manifest.network), {}, where)
        report = coverage(weights, network, str(options.load_dir))
        print(report.text())
        _require_whole(report)
        content = OutputContent(weights, network, None, (), "", Layout.GOOGLE_TF1, manifest.source)
        with staging_folder(place.folder) as folder:
            staged = write_output(folder, place, content)
            check_read_back(weights, read_input(staged.main, InputFormat.MINDSPORE).weights, options.output_file_name)
            written = publish(staged.files, place.folder)
    print(f"wrote {', '.join(str(path) for path in written)}")
    return 0
