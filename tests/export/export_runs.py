"""Run directories of every kind with random weights, as small as can be, and their exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from src.common.files import write_json_atomic
from src.config.load import load_config
from src.data.tokenization import load_tokenizer
from src.export.networks import inference_network
from src.tasks.assets import AnswerSettings, TaskDescription, save_assets
from src.tasks.inference import InferenceNetwork, run_batch
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition
from tests.entry.runs import Outcome, arguments, call
from tests.tasks.pretrain_runs import SPECIAL, Vocabulary

WORDS = ["the", "film", "was", "good", "bad", "in", "rome", "oslo", "who", "where", "it", "##s", ".", "?"]
LENGTH, POSITIONS = 16, 24
SIZES = {
    "seq_length": LENGTH,
    "vocab_size": len(SPECIAL) + len(WORDS),
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
LABELS = {"classification": ("bad", "good", "new"), "token_classification": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")}
KINDS = ("classification", "regression", "token_classification", "span", "beam", "pretraining")
# Letters of the axes: B rows, T tokens, P places, V vocabulary, D hidden; numbers are fixed.
OUTPUTS: dict[str, dict[str, str]] = {
    "classification": {"logits": "B 3"},
    "regression": {"logits": "B 1"},
    "token_classification": {"logits": "B T 5"},
    "span": {"start_end_logits": "B T 2"},
    "beam": {
        "start_log_probabilities": "B 4",
        "start_positions": "B 4",
        "end_log_probabilities": "B 12",
        "end_positions": "B 12",
        "no_answer_logits": "B",
    },
    "pretraining": {"log_probabilities": "B P V"},
    "encoder": {"sequence_output": "B T D", "pooled_output": "B D"},
}


def write_vocabulary(path: Path) -> Path:
    path.write_text("\n".join([*SPECIAL, *WORDS]) + "\n", encoding="utf-8")
    return path


def config_keys(kind: str, **network: Any) -> tuple[str, dict[str, Any]]:
    """Return the task of the configuration and the keys that describe a run."""
    task = {"span": "squad", "beam": "squad", "pretraining": "pretrain"}.get(kind, "classifier")
    section = "custom_net_cfg" if task == "pretrain" else "albert_net_cfg"
    keys: dict[str, Any] = {"albert_network": "custom"}
    keys |= {f"{section}.{name}": value for name, value in {**SIZES, **network}.items()}
    if kind == "beam":
        keys |= {"squad_head": "beam", "version_2_with_negative": True, "start_n_top": 4, "end_n_top": 3}
    return task, keys


def task_of(kind: str, vocabulary: Path, **network: Any) -> TaskDescription:
    answers = AnswerSettings(kind, kind == "beam", 6, 5, 8, 0.0, start_n_top=4, end_n_top=3)
    return TaskDescription(
        kind="squad" if kind in ("span", "beam") else kind,
        task_name="",
        labels=LABELS.get(kind, ()),
        length=LENGTH,
        buckets=(LENGTH // 2, LENGTH),
        network=loaded_network(kind, **network),
        spm_model="",
        vocabulary="",
        do_lower_case=True,
        tokenizer_sha256=str(load_tokenizer(vocabulary).fingerprint()["sha256"]),
        answers=answers if kind in ("span", "beam") else None,
    )


def loaded_network(kind: str, **network: Any) -> dict[str, Any]:
    task, keys = config_keys(kind, **network)
    return load_config(task, arguments(keys)).network().model_dump()  # type: ignore[call-overload]


def random_network(task: TaskDescription, part: str = "model", seed: int = 4) -> nn.Cell:
    """Return a network whose weights are the same every time and large enough to matter."""
    network = inference_network(task, part)
    random = np.random.RandomState(seed)
    for parameter in sorted(network.get_parameters(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        parameter.set_data(Tensor((centre + 0.3 * random.standard_normal(parameter.shape)).astype(np.float32)))
    return network


def make_run(run: Path, kind: str, vocabulary: Path | None, **network: Any) -> Path:
    """Write a run directory with one checkpoint, the best; without a vocabulary it holds no tokenizer."""
    named = vocabulary or write_vocabulary(run.with_name("vocab.txt"))
    task = task_of(kind, named, **network)
    name, keys = config_keys(kind, **network)
    save_assets(run / "assets", Vocabulary(str(vocabulary) if vocabulary else ""), task)
    (run / "config.yaml").write_text(load_config(name, arguments(keys)).to_yaml(), encoding="utf-8")  # type: ignore[call-overload]
    write_json_atomic(run / "environment.json", {"run_format": 1})
    prefix = {"span": "squad", "beam": "squad", "pretraining": "checkpoint_albert"}.get(kind, "classifier")
    position, metric = TrainPosition(epoch=1, step_in_epoch=1, global_step=1), Metric(name="f1", value=1.0)
    CheckpointManager(run / "checkpoints", prefix, keep=1).save_best(random_network(task), position, metric)
    return run


def export(*keys: dict[str, Any]) -> Outcome:
    """Run ``export.py`` in this process."""
    return call("export", arguments(*keys))


def export_well(*keys: dict[str, Any]) -> Outcome:
    outcome = export(*keys)
    assert outcome.status == 0, outcome.err
    return outcome


def batch(rows: int, length: int, places: int = 0, seed: int = 0) -> list[Tensor]:
    """Return inputs of random lengths; with ``places`` also positions of masks."""
    random = np.random.RandomState(seed)
    ends = random.randint(min(6, length), length + 1, (rows, 1))
    mask = (np.arange(length) < ends).astype(np.int32)
    ids = random.randint(0, SIZES["vocab_size"], (rows, length)).astype(np.int32) * mask
    segments = ((np.arange(length) >= 1) & (mask > 0)).astype(np.int32)
    arrays = [ids, mask, segments]
    if places:
        arrays.append((np.arange(places) % ends).astype(np.int32))
    return [Tensor(array) for array in arrays]


def outputs(network: InferenceNetwork, inputs: list[Tensor]) -> list[np.ndarray]:
    return run_batch(network, inputs)
