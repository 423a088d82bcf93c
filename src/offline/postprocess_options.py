"""Options of ``postprocess.py``; the documented names of the model zoo's command, and shorter ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError, OutputError
from src.offline.preprocess_options import at_least_one
from src.offline.task_type import read_task_type

_DESCRIPTION = """Score what ascend310_infer answered to the files of preprocess.py, as the evaluation of a training run
does. The figures are printed and written to acc.log.

examples:
  python postprocess.py --preprocess_dir preprocess_result --result_dir result_files
  python postprocess.py --task_type mnli --label_dir preprocess_result/03_data --result_dir result_files"""
_DEFAULT_FOLDER = Path("preprocess_result")


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; ``preprocess_dir`` is the folder that they name in one way or another.

    Raises:
        ConfigError: An option is unknown or its value wrong, or two name different folders.
        OutputError: The output would lie among the inputs.
    """
    parser = OneLineParser(
        prog="postprocess.py", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    folder = f"folder that preprocess.py wrote (default ./{_DEFAULT_FOLDER})"
    add("--preprocess_dir", type=Path, metavar="DIR", help=folder)
    results = "folder that ascend310_infer wrote (default ./result_files)"
    add("--result_dir", type=Path, default=Path("result_files"), metavar="DIR", help=results)
    data = "the records, where they are not at the place that preprocess.py read; checked against its manifest"
    add("--eval_data_file_path", default="", metavar="FILE", help=data)
    add("--eval_json_path", default="", metavar="FILE", help="the same for the json file of SQuAD")
    method = "metric that decides (default: the task's own), as in run_classifier.py"
    add("--assessment_method", default="auto", metavar="NAME", help=method)
    add("--acc_log", type=Path, default=Path("acc.log"), metavar="FILE", help="figures as text (default ./acc.log)")
    predictions = "folder for predictions and figures as json (default ./predictions_310)"
    add("--predictions_dir", type=Path, default=Path("predictions_310"), metavar="DIR", help=predictions)
    old = parser.add_argument_group("as the model zoo's command; compared with the manifest")
    add = old.add_argument
    add("--task_type", default="", metavar="NAME", help="the task")
    add("--batch_size", type=at_least_one, metavar="N", help="rows of a batch")
    add("--label_dir", type=Path, metavar="DIR", help="03_data of the folder that preprocess.py wrote")
    add("--input1_path", type=Path, metavar="DIR", help="01_data of it")
    options = parser.parse(argv)
    options.task = read_task_type(options.task_type)
    options.preprocess_dir = _preprocess_dir(options)
    _check_outputs(options)
    return options


def _preprocess_dir(options: argparse.Namespace) -> Path:
    """Return the folder of ``preprocess.py``."""
    named = {"--preprocess_dir": options.preprocess_dir}
    for option, folder in (("--label_dir", options.label_dir), ("--input1_path", options.input1_path)):
        named[option] = None if folder is None else folder.resolve().parent
    given = {option: Path(folder) for option, folder in named.items() if folder is not None}
    if len({folder.resolve() for folder in given.values()}) > 1:
        options_given = " and ".join(given)
        fix = "give --preprocess_dir alone"
        raise ConfigError("they are of different folders of preprocess.py", options_given, fix)
    return next(iter(given.values()), _DEFAULT_FOLDER)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse to write among what is read."""
    if options.acc_log.is_dir():
        raise OutputError("a folder stands where the file should be", str(options.acc_log), "choose another --acc_log")
    if options.acc_log.exists() and options.acc_log.suffix != ".log":
        fix = "remove it, or choose another --acc_log"
        raise OutputError("there is a file of this name that is no .log", str(options.acc_log), fix)
    if options.predictions_dir.exists() and not options.predictions_dir.is_dir():
        fix = "choose another --predictions_dir"
        raise OutputError("a file stands where the folder should be", str(options.predictions_dir), fix)
    inputs = {Path(path).resolve() for path in (options.eval_data_file_path, options.eval_json_path) if path}
    folders = {options.preprocess_dir.resolve(), options.result_dir.resolve()}
    for option in ("acc_log", "predictions_dir"):
        path = getattr(options, option).resolve()
        if path in inputs or folders & {path, *path.parents}:
            raise OutputError("it is an input, or lies among them", str(path), f"choose another --{option}")
