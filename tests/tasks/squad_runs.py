"""A run directory as a training on SQuAD leaves it, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from src.common.files import write_json_atomic
from src.config.sections import NetworkConfig
from src.data.tokenization import load_tokenizer
from src.model.squad_losses import AlbertSquad
from src.tasks.assets import SQUAD, AnswerSettings, TaskDescription, save_assets
from src.tasks.squad_answering import squad_model
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition
from tests.tasks.pretrain_runs import SPECIAL, Vocabulary

WORDS = ["the", "film", "was", "good", "bad", "in", "rome", "oslo", "who", "where", "it", "##s", ".", "?"]
LENGTH = 24
BUCKETS = (16, LENGTH)
QUERY_LENGTH, STRIDE = 6, 5
PASSAGES = (
    "The film was good.",
    "It was  bad in Rome.\tThe films was good in Oslo. It was good in Rome. The Rome film was bad. It was Oslo.",
)
QUESTIONS = ("Where was it?", "Who was in the film?", "Was the film in Rome or in Oslo?")


def write_vocabulary(path: Path) -> Path:
    path.write_text("\n".join([*SPECIAL, *WORDS]) + "\n", encoding="utf-8")
    return path


def network_config() -> NetworkConfig:
    return NetworkConfig(
        seq_length=LENGTH,
        vocab_size=len(SPECIAL) + len(WORDS),
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
    )


def settings_of(head: str = "span", *, version_2: bool = False, threshold: float = 0.0) -> AnswerSettings:
    return AnswerSettings(
        head=head,
        version_2_with_negative=version_2,
        max_query_length=QUERY_LENGTH,
        doc_stride=STRIDE,
        max_answer_length=8,
        null_score_diff_threshold=threshold,
        start_n_top=5,
        end_n_top=5,
    )


def describe(settings: AnswerSettings | None, sha256: str = "") -> TaskDescription:
    network = network_config().model_dump()
    return TaskDescription(
        SQUAD,
        "SQuAD",
        (),
        LENGTH,
        BUCKETS,
        network,
        "",
        "",
        do_lower_case=True,
        tokenizer_sha256=sha256,
        answers=settings,
    )


def random_network(settings: AnswerSettings) -> nn.Cell:
    """Return a network with its loss, as training holds it; the weights are the same every time."""
    network = AlbertSquad(squad_model(network_config(), settings))
    random = np.random.RandomState(4)
    for parameter in sorted(network.get_parameters(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        parameter.set_data(Tensor((centre + 0.5 * random.standard_normal(parameter.shape)).astype(np.float32)))
    return network


def make_run(run: Path, vocabulary: Path, settings: AnswerSettings) -> None:
    sha256 = str(load_tokenizer(vocabulary).fingerprint()["sha256"])
    save_assets(run / "assets", Vocabulary(str(vocabulary)), describe(settings, sha256))
    write_json_atomic(run / "environment.json", {"run_format": 1})
    position = TrainPosition(epoch=1, step_in_epoch=1, global_step=1)
    metric = Metric(name="f1", value=1.0)
    CheckpointManager(run / "checkpoints", "squad", keep=1).save_best(random_network(settings), position, metric)


def write_squad(path: Path) -> list[dict[str, str]]:
    """Write a file of all questions about all passages; return them as records for ``predict.py qa``."""
    records, paragraphs = [], []
    for number, context in enumerate(PASSAGES):
        asked = [{"id": f"{number}.{place}", "question": text} for place, text in enumerate(QUESTIONS)]
        gold = [{"text": "was", "answer_start": context.index("was")}]
        paragraphs.append({"context": context, "qas": [{**row, "answers": gold} for row in asked]})
        records += [{**row, "context": context} for row in asked]
    path.write_text(json.dumps({"version": "", "data": [{"title": "", "paragraphs": paragraphs}]}), encoding="utf-8")
    return records
