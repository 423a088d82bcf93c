"""The peer's side of a contest: Hugging Face transformers on PyTorch, as its users write a training loop.

It runs in an environment of its own (``requirements-peers.txt``).
"""

from __future__ import annotations

import functools
import sys

import torch
import transformers
from torch.utils.checkpoint import checkpoint

from benchmarks.contest.cases import FORWARD, PRETRAIN, SEED, VOCAB_SIZE, Batch, StepCase, batch_of
from benchmarks.contest.worker import Step, serve

_SHAPES = {
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
}
_LEARNING_RATE = 1e-5
_MAX_GRAD_NORM = 1.0
_IGNORED = -100


def prepare(case: StepCase) -> Step:
    """Build the network of a case and return its step."""
    torch.manual_seed(SEED)
    shape = dict(_SHAPES[case.size])
    if case.layers is not None:
        shape["num_hidden_layers"] = case.layers
    config = transformers.AlbertConfig(
        vocab_size=VOCAB_SIZE,
        embedding_size=128,
        hidden_act="gelu_new",
        hidden_dropout_prob=case.dropout,
        attention_probs_dropout_prob=case.dropout,
        num_labels=2,
        **shape,
    )
    batch = batch_of(case)
    inputs = {
        "input_ids": torch.tensor(batch.ids, dtype=torch.int64),
        "attention_mask": torch.ones(batch.ids.shape, dtype=torch.int64),
        "token_type_ids": torch.tensor(batch.segments, dtype=torch.int64),
    }
    if case.kind == PRETRAIN:
        network = transformers.AlbertForPreTraining(config)
        return _train(network, inputs | _pretraining_labels(batch), case)
    network = transformers.AlbertForSequenceClassification(config)
    if case.kind == FORWARD:
        return _forward(network, inputs)
    return _train(network, inputs | {"labels": torch.tensor(batch.labels, dtype=torch.int64)}, case)


def _forward(network: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Step:
    network.eval()

    def step() -> float:
        with torch.inference_mode():
            return float(network(**inputs).logits[0, 0])

    return step


def _train(network: torch.nn.Module, inputs: dict[str, torch.Tensor], case: StepCase) -> Step:
    network.train()
    if case.recompute:
        _checkpoint_layers(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)

    def step() -> float:
        loss = network(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRAD_NORM)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def _checkpoint_layers(network: torch.nn.Module) -> None:
    """Compute every layer again in the backward pass; this network refuses ``gradient_checkpointing_enable``."""
    for group in network.albert.encoder.albert_layer_groups:
        group.forward = functools.partial(checkpoint, group.forward, use_reentrant=False)


def _pretraining_labels(batch: Batch) -> dict[str, torch.Tensor]:
    """Return labels of every position, as this peer's loss takes them."""
    labels = torch.full(batch.ids.shape, _IGNORED, dtype=torch.int64)
    positions = torch.tensor(batch.positions, dtype=torch.int64)
    labels.scatter_(1, positions, torch.tensor(batch.predictions, dtype=torch.int64))
    return {"labels": labels, "sentence_order_label": torch.tensor(batch.labels, dtype=torch.int64)}


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {"torch": torch.__version__, "transformers": transformers.__version__}


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], StepCase, prepare, versions))
