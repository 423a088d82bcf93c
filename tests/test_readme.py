"""The commands of the documents: every option is known, every file has a source, the README's commands run."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import exported, fault_run, pretraining_data, recompute_memory, serve, squad_features, squad_overfit
from benchmarks.contest.options import parse as parse_contest
from benchmarks.roofline.__main__ import parse as parse_roofline
from src.common.errors import AlbertError
from src.config.export_config import load_export_config
from src.config.load import load_config
from src.data import film_reviews
from src.data.convert_options import parse_options as parse_convert
from src.data.pretraining.options import parse_arguments as parse_pretraining_data
from src.data.squad_options import parse_options as parse_squad_data
from src.data.vocabulary_options import parse_options as parse_vocabulary
from src.evaluate.squad_score import parse_options as parse_squad_score
from src.offline import postprocess_options, preprocess_options
from src.predict.options import make_parser as predict_parser
from src.runtime.doctor.command import make_parser as doctor_parser
from src.runtime.launch.options import parse_options as parse_launch
from src.serve.options import add_serve
from src.weights import read_weight_command, save_weight_command
from src.weights.convert_options import parse_options as parse_weights
from tests.readme_commands import (
    CLASSIFIER,
    CONVERTER,
    LAUNCHER,
    LAUNCHERS,
    PRETRAINING_DATA,
    README,
    ROOT,
    SQUAD,
    SQUAD_CONVERTER,
    blocks_of,
    covers,
    inputs,
    is_pretraining,
    launched_classifier,
    outputs,
    positionals,
    quickstart_commands,
    words_of,
)
from tests.weights import sizes

PAGES = [README, ROOT / "README_CN.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Commands of the shell and of the environment whose options are not ours.
SHELL_TOOLS = {"source", "cat", "docker", "mkdir", "printf", "tensorboard", "curl", "openssl"}
# Options of the scripts of pre-training that are theirs and not run_pretrain.py's.
SCRIPT_FLAGS = {"--foreground", "--dry_run", "--mpirun"}
OLD_FILES = re.split(
    r"\s+",
    """
    ascend310_infer/ convert_tf_ckpt/read_weight_tf.py convert_tf_ckpt/trans_dict.py convert_tf_ckpt/save_weight_ms.py
    scripts/ascend_distributed_launcher/__init__.py scripts/ascend_distributed_launcher/hyper_parameter_config.ini
    scripts/ascend_distributed_launcher/get_distribute_pretrain_cmd.py scripts/ascend_distributed_launcher/README.md
    scripts/convert_finetune_datasets_classifier.sh scripts/convert_finetune_datasets_squad.sh scripts/run_classifier.sh
    scripts/run_distributed_classiffier_ascend.sh scripts/run_distributed_pretrain_ascend.sh
    scripts/run_distributed_pretrain_gpu.sh scripts/run_distributed_squad_ascend.sh scripts/run_squad.sh
    scripts/run_standalone_pretrain_ascend.sh scripts/run_standaloned_pretrain_gpu.sh scripts/run_infer_310.sh
    src/model_utils/config.py src/model_utils/device_adapter.py src/model_utils/local_adapter.py
    src/model_utils/moxing_adapter.py src/__init__.py src/Albert_Callback.py src/Albert_Callback_class.py
    src/albert_for_finetune.py src/albert_for_pre_training.py src/albert_model.py src/assessment_method.py
    src/classifier_utils.py src/dataset.py src/finetune_eval_model.py src/squad_get_predictions.py
    src/squad_postprocess.py src/squad_utils.py src/tokenization.py src/utils.py pretrain_config.yaml pretrain_eval.py
    run_classifier.py run_pretrain.py run_squad_v1.py task_classifier_config.yaml task_squad_config.yaml README.md
    export.py
    """.strip(),
)


def user_files(page: Path) -> list[str]:
    mark = re.search(r"<!-- your files: (.+) -->", page.read_text(encoding="utf-8"))
    return mark.group(1).split() if mark else []


def with_existing_config(words: list[str], config: str) -> list[str]:
    """Return arguments with the project's file in the place of one that a run will make."""
    result = list(words)
    for index, word in enumerate(result[:-1]):
        if word == "--config_path" and not (ROOT / result[index + 1]).exists():
            result[index + 1] = str(ROOT / config)
    return result


def substitute(words: list[str]) -> list[str]:
    """Return arguments that parse without the files that earlier commands make."""
    result = [word for word in words if word != "--foreground"]
    for index, word in enumerate(result[:-1]):
        if word == "--overlay" and not (ROOT / result[index + 1]).exists():
            result[index + 1] = str(ROOT / "configs" / "large.yaml")
        if word == "--config_path" and not (ROOT / result[index + 1]).exists():
            result[index + 1] = str(ROOT / "task_classifier_config.yaml")
            # What such a file of a run says of the data.
            result += ["--train_data_file_path", "x", "--eval_data_file_path", "x", "--test_data_file_path", "x"]
            if "--resume" not in result and "--load_finetune_checkpoint_path" not in result:
                result += ["--from_scratch", "true"]
    return result


def parse_pretraining(words: list[str]) -> None:
    """Parse a command of pre-training: the entry script, a launcher before it, or a script around it."""
    program, arguments = " ".join(words[:2]), words[2:]
    if words[0] == "bash":
        arguments = [word for word in arguments[len(positionals(words)) :] if word not in SCRIPT_FLAGS]
    elif words[0] in LAUNCHERS:
        arguments = words[words.index("run_pretrain.py") + 1 :]
    elif program == LAUNCHER:
        arguments = list(parse_launch(arguments).arguments)
    load_config("pretrain", with_existing_config(arguments, "pretrain_config.yaml"))


def check_film_reviews(arguments: list[str]) -> None:
    known = help_of_film_reviews()
    assert all(word in known for word in arguments if word.startswith("--"))


def check_targets(targets: list[str]) -> None:
    known = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    parse_contest(shlex.split("".join(word.partition("=")[2] for word in targets if word.startswith("BENCH_ARGS="))))
    assert {word for word in targets if not word.startswith("BENCH_ARGS=")} <= set(known), targets


def check_environment(arguments: list[str]) -> None:
    assert arguments in (["runtime"], ["dev"], ["tensorflow"])


def parse_squad(arguments: list[str]) -> None:
    given = [word for word in arguments if word != "--foreground"]
    load_config("squad", with_existing_config(given, "task_squad_config.yaml"))


def parse_export(arguments: list[str]) -> None:
    given = list(arguments)
    if "--run_dir" in given:
        # The configuration of a run that is not there.
        place = given.index("--run_dir")
        given[place : place + 2] = ["--config_path", str(ROOT / "task_classifier_config.yaml")]
    load_export_config(given)


def parse_albert_v2(arguments: list[str]) -> None:
    """Parse what a launcher of the V2 recipes passes on."""
    own = ("--data_path=", "--size=")
    size = next((word.partition("=")[2] for word in arguments if word.startswith("--size=")), "base")
    passed = [word for word in arguments if not word.startswith(own)]
    load_config("classifier", ["--overlay", str(ROOT / "configs" / f"mnli_v2_{size}.yaml"), *passed])


def check_infer_310(arguments: list[str]) -> None:
    words = list(itertools.takewhile(lambda word: not word.startswith("--"), arguments))
    assert 4 <= len(words) <= 8
    assert {"y", "n"} & {words[2], *words[4:5]}


# What reads the arguments behind the begin of a command.
PARSERS: dict[str, Callable[[list[str]], object]] = {
    **dict.fromkeys(CONVERTER, parse_convert),
    **dict.fromkeys(SQUAD_CONVERTER, parse_squad_data),
    **dict.fromkeys(CLASSIFIER, lambda arguments: load_config("classifier", substitute(arguments))),
    **dict.fromkeys(SQUAD, parse_squad),
    **dict.fromkeys(PRETRAINING_DATA, parse_pretraining_data),
    "python evaluate_squad.py": parse_squad_score,
    "python predict.py": lambda arguments: predict_parser(add_serve).parse_args(arguments),
    "python export.py": parse_export,
    "python preprocess.py": preprocess_options.parse_options,
    "python postprocess.py": postprocess_options.parse_options,
    "bash scripts/run_infer_310.sh": check_infer_310,
    **dict.fromkeys(
        (f"bash scripts/train_albert_v2_{name}_1p.sh" for name in ("full", "performance")), parse_albert_v2
    ),
    "python train_vocabulary.py": parse_vocabulary,
    "python convert_tf_ckpt/convert.py": parse_weights,
    "python convert_tf_ckpt/read_weight_tf.py": lambda arguments: read_weight_command.make_parser().parse(arguments),
    "python convert_tf_ckpt/save_weight_ms.py": lambda arguments: save_weight_command.make_parser().parse(arguments),
    "python -m src.data.film_reviews": check_film_reviews,
    "python -m src.runtime.doctor": lambda arguments: doctor_parser().parse(arguments),
    "python -m benchmarks.contest": parse_contest,
    "python -m benchmarks.exported": exported.parse,
    "python -m benchmarks.fault_run": fault_run.parse,
    "python -m benchmarks.pretraining_data": pretraining_data.parse,
    "python -m benchmarks.recompute_memory": recompute_memory.parse,
    "python -m benchmarks.roofline": parse_roofline,
    "python -m benchmarks.serve": serve.parse,
    "python -m benchmarks.squad_features": squad_features.parse,
    "python -m benchmarks.squad_overfit": squad_overfit.parse,
    "python -m tests.weights.sizes": sizes.parse,
    "make": check_targets,
    "bash scripts/make_environment.sh": check_environment,
}


def parse(command: str) -> None:
    """Give a command's arguments to the parser that will read them; it raises for an unknown option."""
    words = words_of(command)
    if is_pretraining(f"{command} "):
        parse_pretraining(words)
        return
    if launched_classifier(command):
        load_config("classifier", list(parse_launch(words[2:]).arguments))
        return
    for count in (3, 2, 1):
        if " ".join(words[:count]) in PARSERS:
            PARSERS[" ".join(words[:count])](words[count:])
            return
    assert words[0] in SHELL_TOOLS, f"unknown command: {command}"


def help_of_film_reviews() -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        film_reviews.main(["--help"])
    return text.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_of_a_command_is_known(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks_of(page):
        for command in block.commands:
            try:
                parse(command)
            except AlbertError as error:
                raise AssertionError(f"{block}: {command}\n{error}") from error
            except SystemExit as leaving:
                if leaving.code != 0:
                    raise AssertionError(f"{block}: {command}") from leaving


@pytest.mark.parametrize(
    "command",
    [
        "python run_classifier.py --no_such_key 1",
        "bash scripts/run_classifier.sh --do_train maybe",
        "python create_finetuning_data.py --no_such_key 1",
        "python create_squad_data.py --no_such_key 1",
        "python run_squad_v1.py --no_such_key 1",
        "python evaluate_squad.py data.json predictions.json --no_such_key 1",
        "python predict.py qa --run_dir x --no_such_key",
        "python launch.py --device_num 2 run_classifier.py --no_such_key 1",
        "python -m benchmarks.squad_features --no_such_key 1",
        "python -m benchmarks.contest --no_such_key 1",
        "make bench BENCH_ARGS='--no_such_key 1'",
        "python run_pretrain.py --no_such_key 1",
        "python pretrain_eval.py --no_such_key 1",
        "python launch.py --device_num 2 run_pretrain.py --no_such_key 1",
        "python launch.py --no_such_key 1 run_pretrain.py",
        "bash scripts/run_standalone_pretrain_cpu.sh 1 data --no_such_key 1",
        "python predict.py classify --run_dir x --no_such_key",
        "python predict.py fill-mask --run_dir x --no_such_key",
        "python train_vocabulary.py --no_such_key 1",
        "python convert_tf_ckpt/convert.py --no_such_key 1",
        "python convert_tf_ckpt/read_weight_tf.py --no_such_key 1",
        "python convert_tf_ckpt/save_weight_ms.py --no_such_key 1",
        "python create_pretraining_data.py --no_such_key 1",
        "python -m src.data.film_reviews --no_such_key 1",
        "python -m benchmarks.fault_run --no_such_key 1",
        "python -m src.runtime.doctor --no_such_key 1",
        "python -m benchmarks.pretraining_data --no_such_key 1",
        "python -m benchmarks.recompute_memory --no_such_key 1",
        "python -m benchmarks.roofline --no_such_key 1",
        "make no-such-target",
        "wget example.org",
    ],
)
def test_a_wrong_command_would_be_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises((AlbertError, AssertionError, SystemExit)):
        parse(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_a_command_has_a_source(page: Path) -> None:
    there = user_files(page)
    for block in blocks_of(page):
        for command in block.commands:
            for name in inputs(command):
                known = any(covers(source, name) for source in there) or (ROOT / name).exists()
                assert known, f"{block}: where does {name} come from? {command}"
            there += outputs(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page.name}: {link}"


def table_after(title: str) -> list[list[str]]:
    text = README.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]


def test_every_old_file_has_a_new_place() -> None:
    rows = {name: row[1] for row in table_after("Coming from the model zoo") for name in re.findall(r"`(.+?)`", row[0])}
    assert set(OLD_FILES) <= set(rows)
    for place in rows.values():
        for name in re.findall(r"`((?:src|scripts|docs)/[^`]*|[a-z_]+\.py)`", place):
            assert (ROOT / name).exists(), name


def test_every_file_of_the_tree_exists() -> None:
    text = README.read_text(encoding="utf-8").split("\n## Script description\n")[1]
    folder = ""
    for line in text.split("```")[1].splitlines()[2:]:
        depth, name = re.match(r"([│ ]*)[├└]── (\S+)", line).groups()  # type: ignore[union-attr]
        folder = "" if not depth else folder
        assert list((ROOT / folder).glob(name.rstrip("/"))), line
        folder = name if not depth else folder


def test_the_quickstart_of_the_readme_is_that_of_the_makefile() -> None:
    environment = {name: value for name, value in os.environ.items() if name[:4] != "MAKE" and name != "MFLAGS"}
    command = ["make", "--no-print-directory", "--dry-run", "quickstart"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    made = done.stdout.replace("\\\n", " ").replace(".venv/bin/python", "python")
    wanted = [" ".join(line.split()) for line in made.splitlines() if line.startswith("python ")]
    assert quickstart_commands() == wanted
