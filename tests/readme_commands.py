"""Take the commands of the documents apart: blocks, words, what a command reads and what it leaves."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CLASSIFIER = ("python run_classifier.py", "bash scripts/run_classifier.sh")
CONVERTER = ("python create_finetuning_data.py", "bash scripts/convert_finetune_datasets_classifier.sh")
SQUAD_CONVERTER = ("python create_squad_data.py", "bash scripts/convert_finetune_datasets_squad.sh")
SQUAD = ("python run_squad_v1.py", "bash scripts/run_squad.sh")
PRETRAIN = ("python run_pretrain.py", "python pretrain_eval.py")
WEIGHTS = "python convert_tf_ckpt/"
LAUNCHER = "python launch.py"
# MindSpore's and MPI's, whose own options are not ours.
LAUNCHERS = ("msrun", "mpirun")
PRETRAIN_SCRIPT = re.compile(r"bash scripts/run_\w+_pretrain\w*\.sh ")
ALBERT_V2_SCRIPT = re.compile(r"bash scripts/train_albert_v2_\w+_1p\.sh ")
PRETRAINING_DATA = ("python create_pretraining_data.py", "bash scripts/create_pretraining_data.sh")
_READ = re.split(
    r"\s+",
    """
    --spm_model_file --vocab_file_path --vocab_path --input_dir --input --config_path --overlay --archive
    --train_file --dev_file --test_file --eval_file --eval_json_path --test_json_path --eval_json --context_file
    --na_prob_file --train_data_file_path --eval_data_file_path --test_data_file_path
    --load_pretrain_checkpoint_path --load_finetune_checkpoint_path --data_dir --eval_data_dir --load_checkpoint_path
    --ckpt_file_path --load_dir --config
    """.strip(),
)


@dataclass(frozen=True)
class Block:
    """A bash block: its page, the line of its fence, its commands, and why it is not run, if it is illustrative."""

    page: Path
    line: int
    commands: tuple[str, ...]
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines):
        if line.strip() != "```bash":
            continue
        end = lines.index("```", number)
        text = "\n".join(lines[number + 1 : end]).replace("\\\n", " ")
        commands = tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())
        mark = re.fullmatch(r"<!-- illustrative: (.+) -->", lines[number - 1])
        found.append(Block(page, number + 1, commands, mark.group(1) if mark else None))
    return found


def words_of(command: str) -> list[str]:
    """Return the words of the command, without what is redirected and piped into it."""
    return shlex.split(command.split(" | ")[-1].split(" > ")[0])


def option(words: list[str], *names: str) -> list[str]:
    """Return the values of options, lists with commas taken apart."""
    values = [words[i + 1] for i, word in enumerate(words[:-1]) if word in names]
    return [part for value in values for part in value.split(",") if part]


def is_classifier(command: str) -> bool:
    return command.startswith(CLASSIFIER)


def is_squad(command: str) -> bool:
    return command.startswith(SQUAD)


def launched_classifier(command: str) -> bool:
    """Tell whether the command starts ``run_classifier.py`` in several processes."""
    return command.startswith(LAUNCHER) and " run_classifier.py " in command


def positionals(words: list[str]) -> list[str]:
    """Return what a script of pre-training is given before its options: numbers, folders, files."""
    given = words[2:]
    first = next((place for place, word in enumerate(given) if word.startswith("--")), len(given))
    return given[:first]


def is_pretraining(command: str) -> bool:
    """Tell whether the command trains or scores the pre-training network, in one process or several."""
    launched = command.startswith((LAUNCHER, *LAUNCHERS)) and " run_pretrain.py " in command
    return launched or command.startswith(PRETRAIN) or PRETRAIN_SCRIPT.match(command) is not None


def inputs(command: str) -> list[str]:
    """Return the files and folders that a command reads."""
    words = words_of(command)
    names = list(_READ)
    read_there: list[str] = []
    if is_classifier(command):
        names += ["--meta_data_file_path", "--albert_data_dir"]
    if ALBERT_V2_SCRIPT.match(command):
        read_there = [word.partition("=")[2] for word in words if word.startswith("--data_path=")]
    if is_pretraining(command):
        names += ["--eval_ckpt", "--rank_table_file"]
    if words[1:2] == ["predict.py"]:
        names += ["--run_dir", "--checkpoint", "--model"]
    if words[1:2] == ["export.py"]:
        names += ["--run_dir", "--export_ckpt_file"]
    if words[1:2] == ["preprocess.py"]:
        names += ["--model"]
    if words[:3] in (["python", "-m", "benchmarks.exported"], ["python", "-m", "benchmarks.serve"]):
        names += ["--run_dir"]
    if words[:3] == ["python", "-m", "benchmarks.contest"]:
        names += ["--glue_dir", "--squad_json", "--text_file"]
    if words[1:2] == ["evaluate_squad.py"]:
        read_there = words[2:4]
    if PRETRAIN_SCRIPT.match(command):
        # Numbers are counts; absolute paths stand for what only the reader's machine has.
        read_there = [word for word in positionals(words) if not word.isdecimal() and not word.startswith("/")]
    read = read_there + option(words, *names) + [word for word in words if word.startswith(("scripts/", "src/"))]
    return read + [word for word in words[:2] if word.endswith(".py")]


def outputs(command: str) -> list[str]:
    """Return the files and folders that a command leaves."""
    words = words_of(command)
    made = re.findall(r" > (\S+)", command)
    if command.startswith(CONVERTER):
        name = "".join(option(words, "--task_name")).lower()
        made += [
            f"{folder}/{name}_{split}.mindrecord"
            for folder in option(words, "--output_dir")
            for split in ("train", "dev", "test")
        ]
    elif command.startswith(SQUAD_CONVERTER):
        for folder in option(words, "--output_dir"):
            for name, suffix in (("--train_file", "_train.mindrecord"), ("--eval_file", "_dev.features.npz")):
                for file in option(words, name):
                    made.append(f"{folder}/squad_v{'2.0' if '2.0' in file else '1.1'}{suffix}")
    elif command.startswith(WEIGHTS):
        made += option(words, "--output", "--output_path", "--output_file_name")
        made += [str(Path(name).with_suffix(".yaml")) for name in made if name.endswith((".ckpt", ".safetensors"))]
    elif command.startswith("python export.py"):
        suffix = "".join(option(words, "--file_format") or ["MINDIR"]).lower()
        made += [f"{name}.{suffix}" for name in option(words, "--export_file_name")]
    elif command.startswith("python train_vocabulary.py"):
        made += [prefix + suffix for prefix in option(words, "--output_prefix") for suffix in (".model", ".vocab")]
    elif is_squad(command) or launched_classifier(command):
        made += option(words, "--run_dir")
    elif is_classifier(command):
        made += option(words, "--run_dir") or (["quickstart/run"] if "configs/quickstart.yaml" in words else [])
    elif is_pretraining(command):
        default = ["quickstart/pretrain"] if "configs/quickstart_pretrain.yaml" in words else []
        made += option(words, "--run_dir") or default
    else:
        made += option(words, "--output", "--output_dir")
    return made


def covers(folder: str, name: str) -> bool:
    return name == folder or name.startswith(folder.rstrip("/") + "/")


def quickstart_commands() -> list[str]:
    text = README.read_text(encoding="utf-8")
    first = text[: text.index("## Quick start")].count("\n")
    blocks = [block for block in blocks_of(README) if block.line > first]
    assert blocks[0].commands == ("make quickstart",)
    return list(blocks[1].commands)
