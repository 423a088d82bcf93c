from __future__ import annotations

from pathlib import Path

import pytest

from tests.ascend310_infer.application import Work, run

DOCUMENTED = (
    *("--mindir_path", "--inputN_path", "--device", "--device_id", "--precision_mode", "--threads", "--input_limits"),
    *("--output_dir", "--time_dir", "--warmup", "--check_model", "--help"),
)


def test_help_names_every_option(application: Path, tmp_path: Path) -> None:
    for flag in ("--help", "-h"):
        ended = run([str(application), flag], tmp_path)
        assert (ended.status, ended.err) == (0, "")
        assert all(f"  {option} " in ended.out for option in DOCUMENTED)


def test_values_may_follow_a_blank(classifier: Work) -> None:
    parted = [part for text in classifier.command()[1:] for part in text.split("=", 1)]
    ended = run([str(classifier.application), *parted, "--device_id", "0"], classifier.folder)
    assert ended.status == 0, ended.err


def test_results_go_to_the_documented_folders(classifier: Work) -> None:
    assert classifier.run(output_dir=None, time_dir=None).status == 0
    assert (classifier.folder / "result_files" / "results.json").is_file()
    assert (classifier.folder / "time_result" / "test_perform_static.txt").is_file()


@pytest.mark.parametrize(
    ("options", "replaced", "error"),
    [
        (["--batch_size=4"], {}, "unknown option '--batch_size=4' (command line) -> see --help"),
        (["stray"], {}, "unknown option 'stray' (command line) -> see --help"),
        (["--device_id"], {}, "the option has no value (--device_id) -> see --help"),
        (["--device_id", "--warmup"], {}, "the option has no value (--device_id) -> see --help"),
        (["--output_dir="], {"output_dir": None}, "the option has no value (--output_dir) -> see --help"),
        (["--warmup=1"], {}, "the option is given twice (--warmup) -> give it once"),
        ([], {"mindir_path": None}, "no model is given (--mindir_path)"),
        ([], {"input1_path": None}, "an input folder is missing (--input1_path)"),
        ([], {"device": "tpu"}, "'tpu' is not a device (--device) -> give Ascend or CPU"),
        ([], {"warmup": "-1"}, "'-1' is not a number from 0 to 1000 (--warmup)"),
        ([], {"warmup": "2x"}, "'2x' is not a number from 0 to 1000 (--warmup)"),
        ([], {"device_id": "99999999999999999999"}, "is not a number from 0 to 1023 (--device_id)"),
        (
            [],
            {"precision_mode": "fast", "device": "Ascend", "threads": None},
            "'fast' is not a precision mode (--precision_mode)",
        ),
        ([], {"precision_mode": "enforce_fp16"}, "the precision can be chosen on Ascend only (--precision_mode)"),
        ([], {"device": "Ascend"}, "threads can be chosen on the CPU only (--threads) -> leave it out on Ascend"),
        (["--check_model=1"], {}, "'1' is neither true nor false (--check_model) -> see --help"),
        ([], {"input_limits": "204,x"}, "'x' is not a number from 0 to 2147483647 (--input_limits)"),
        ([], {"input_limits": "204,2,2,2"}, "the model has 3 inputs, 4 limits are given"),
    ],
)
def test_wrong_options(classifier: Work, options: list[str], replaced: dict[str, str | None], error: str) -> None:
    assert error in classifier.refused(*options, **replaced)


def test_a_model_is_checked_without_folders(classifier: Work) -> None:
    folders = {f"input{number}_path": None for number in range(3)}
    ended = classifier.run("--check_model=true", **folders)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"the model can be built for CPU and takes 3 inputs: {classifier.model}\n"
    assert not classifier.results.exists()
    assert not classifier.time_file.parent.exists()


def test_no_options_at_all(application: Path, tmp_path: Path) -> None:
    assert "no model is given" in run([str(application)], tmp_path).error


def test_the_first_input_is_missing(classifier: Work) -> None:
    error = classifier.refused(input0_path=None, input1_path=None, input2_path=None)
    assert "an input folder is missing (--input0_path) -> name the folder of input 0" in error
