"""A run directory as a pre-training leaves it, with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from src.common.files import write_json_atomic
from src.config.sections import NetworkConfig
from src.data.tokenization import load_tokenizer
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.tasks.assets import pretraining_description, save_assets
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["good", "bad", "film", "a", "the", "##s", "##ly", ".", "un"]
LENGTH = 16


@dataclass(frozen=True)
class Vocabulary:
    """The keys that say where the tokenizer is."""

    vocab_file_path: str = ""
    spm_model_file: str = ""
    do_lower_case: bool = True


def write_vocabulary(path: Path, words: list[str] = WORDS) -> Path:
    path.write_text("\n".join([*SPECIAL, *words]) + "\n", encoding="utf-8")
    return path


def network_of(vocab_size: int) -> NetworkConfig:
    return NetworkConfig(
        seq_length=LENGTH,
        vocab_size=vocab_size,
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
        hidden_act="gelu_new",
    )


class _Step(nn.Cell):
    """What holds the network while it is trained."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network


def _fill_randomly(network: nn.Cell) -> None:
    random = np.random.RandomState(4)
    for parameter in sorted(network.get_parameters(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        parameter.set_data(Tensor((centre + 0.5 * random.standard_normal(parameter.shape)).astype(np.float32)))


def make_run(run: Path, vocabulary: Path, *, keeps_tokenizer: bool = True, best: bool = True) -> nn.Cell:
    """Write the run and return its network with the loss, as training wraps it."""
    tokenizer = load_tokenizer(vocabulary)
    network = AlbertPreTraining(AlbertPreTrainingModel(network_of(tokenizer.vocab_size)))
    _fill_randomly(network)
    sha256 = str(tokenizer.fingerprint()["sha256"]) if keeps_tokenizer else ""
    description = pretraining_description(
        network_of(tokenizer.vocab_size), LENGTH, (), do_lower_case=True, tokenizer_sha256=sha256
    )
    save_assets(run / "assets", Vocabulary(str(vocabulary)) if keeps_tokenizer else Vocabulary(), description)
    write_json_atomic(run / "environment.json", {"run_format": 1})
    checkpoints = CheckpointManager(run / "checkpoints", "checkpoint_albert", keep=1)
    position = TrainPosition(epoch=1, step_in_epoch=1, global_step=1)
    if best:
        checkpoints.save_best(network, position, Metric(name="loss", value=1.0))
    else:
        checkpoints.save(network, _Step(network), position)
    return network
