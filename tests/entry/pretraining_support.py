"""Small pre-training records that can be learned in seconds, and pre-trainings on them in one process or several."""

from __future__ import annotations

import contextlib
import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.pretraining.command import main as create_main
from tests.entry.runs import LENGTH, ROOT, VOCABULARY, Outcome, arguments, call, records_of

NETWORK = {
    "albert_network": "custom",
    "custom_net_cfg.seq_length": LENGTH,
    "custom_net_cfg.vocab_size": len(VOCABULARY),
    "custom_net_cfg.embedding_size": 16,
    "custom_net_cfg.hidden_size": 32,
    "custom_net_cfg.num_hidden_layers": 1,
    "custom_net_cfg.num_attention_heads": 2,
    "custom_net_cfg.intermediate_size": 64,
    "custom_net_cfg.max_position_embeddings": LENGTH,
    "custom_net_cfg.hidden_dropout_prob": 0,
    "custom_net_cfg.attention_probs_dropout_prob": 0,
}
TRAINING = {
    "batch_size": 16,
    "optimizer": "AdamWeightDecay",
    "AdamWeightDecay.learning_rate": 5e-3,
    "AdamWeightDecay.power": 1,
    "AdamWeightDecay.warmup_steps": 5,
    "log_steps": 1,
}
STEPS = 50
PEAK_TFLOPS = 0.5
# Batches of two lengths, whose last ones are not full.
WHOLE = {
    "train_steps": STEPS,
    "bucket_list": "[10]",
    "save_checkpoint_steps": 10,
    "save_checkpoint_num": 2,
    "peak_tflops": PEAK_TFLOPS,
}
LIMIT_S = 240


@dataclass(frozen=True)
class PretrainData:
    """Vocabulary and records."""

    folder: Path

    @property
    def vocabulary(self) -> Path:
        return self.folder / "vocab.txt"

    @property
    def train(self) -> Path:
        return self.folder / "train"

    @property
    def held_out(self) -> Path:
        return self.folder / "held_out"

    def keys(self, *, evaluate: bool = False) -> dict[str, Any]:
        """Return the keys that name the data."""
        held_out = {"train_with_eval": True, "eval_data_dir": self.held_out} if evaluate else {}
        return {"data_dir": self.train, "vocab_file_path": self.vocabulary, **held_out}


def make_pretraining_data(folder: Path) -> PretrainData:
    """Write texts in which few words are frequent, and make records of them."""
    made = PretrainData(folder)
    made.vocabulary.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    words = [word for word in VOCABULARY[5:] if not word.startswith("##")]
    weights = [1 / (number + 1) for number in range(len(words))]
    for name, documents in (("train", 60), ("held_out", 20)):
        chance = random.Random(name)
        texts = []
        for _ in range(documents):
            sentences = [" ".join(chance.choices(words, weights, k=chance.randint(2, 6))) for _ in range(6)]
            texts.append("\n".join(sentences))
        (folder / f"{name}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        create_records(folder / f"{name}.txt", folder / name, made.vocabulary)
    return made


def create_records(text: Path, output: Path, vocabulary: Path, *more: Any) -> None:
    given = ["--input", text, "--output_dir", output, "--vocab_file", vocabulary, "--max_seq_length", LENGTH]
    settings = ["--dupe_factor", 2, "--short_seq_prob", 0.4, "--num_workers", 1, "--block_mb", 0.004]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert create_main([str(item) for item in [*given, *settings, *more]]) == 0


def pretrain(*keys: dict[str, Any], extra: Sequence[str] = ()) -> Outcome:
    """Run ``run_pretrain.py`` in this process; it must end well."""
    outcome = call("run_pretrain", [*arguments(NETWORK, TRAINING, *keys), *extra])
    assert outcome.status == 0, outcome.err
    return outcome


def launch(keys: dict[str, Any], logs: Path, ranks: int = 2) -> subprocess.Popen[str]:
    """Start ``run_pretrain.py`` in several processes through ``launch.py``; a batch is shared by them."""
    batch = int({**TRAINING, **keys}["batch_size"]) // ranks
    ours = [sys.executable, str(ROOT / "launch.py"), "--device_num", str(ranks), "--log_dir", str(logs)]
    argv = arguments(NETWORK, TRAINING, keys, {"batch_size": batch})
    logs.mkdir(parents=True)
    with (logs / "launch.txt").open("w", encoding="utf-8") as stream:
        return subprocess.Popen(
            [*ours, "run_pretrain.py", *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def printed(logs: Path) -> str:
    """Return what the launcher has printed."""
    return (logs / "launch.txt").read_text(encoding="utf-8")


def rank_process(launcher: subprocess.Popen[str], rank: int) -> int:
    """Return the process id of a rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    wanted = f"RANK_ID={rank}".encode()
    return next(int(pid) for pid in children if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    """Wait until something is so, while a process runs."""
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
        assert time.monotonic() < deadline_s, "the run does not get on"
        time.sleep(0.002)


def losses_of(run: Path) -> dict[int, tuple[float, ...]]:
    """Return loss, both its parts, gradient norm and learning rate of every step; no step may be there twice."""
    names = ("loss", "mlm_loss", "sop_loss", "grad_norm", "learning_rate")
    records = records_of(run)
    found = {record["step"]: tuple(record[name] for name in names) for record in records}
    assert len(found) == len(records)
    return found


def largest_difference(run: Path, other: Path) -> float:
    """Return the largest difference between the losses of two runs with the same steps."""
    first, second = losses_of(run), losses_of(other)
    assert list(first) == list(second) == list(range(1, len(first) + 1))
    return max(
        abs(mine - theirs) for step in first for mine, theirs in zip(first[step][:3], second[step][:3], strict=True)
    )
