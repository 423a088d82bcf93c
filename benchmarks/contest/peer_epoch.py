"""The peer's side of an epoch: a plain PyTorch loop, batches padded to their longest row, AdamW with a linear schedule.

It runs in an environment of its own (``requirements-peers.txt``).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from benchmarks.contest.cases import SEED, VOCAB_SIZE
from benchmarks.contest.epoch_case import (
    DROPOUT,
    LEARNING_RATE,
    MAX_GRAD_NORM,
    PEER_ROWS,
    WARMUP_RATIO,
    WEIGHT_DECAY,
    EpochCase,
)
from benchmarks.contest.peer import versions
from benchmarks.contest.worker import work_once

# As often as ours logs.
_LOG_STEPS = 10
Row = tuple[np.ndarray, int]


def pad(rows: list[Row]) -> dict[str, torch.Tensor]:
    """Return rows as a batch padded to the longest, as transformers' ``DataCollatorWithPadding`` does."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for place, (row, _) in enumerate(rows):
        ids[place, : len(row)] = torch.from_numpy(row)
        mask[place, : len(row)] = 1
    labels = torch.tensor([label for _, label in rows], dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids), "labels": labels}


def read(case: EpochCase, split: str) -> list[Row]:
    """Return the token ids and labels of a split."""
    with np.load(Path(case.folder) / PEER_ROWS) as content:
        ids, offsets, labels = (content[f"{split}_{name}"] for name in ("ids", "offsets", "labels"))
    parts = np.split(ids.astype(np.int64), offsets[1:-1])
    return list(zip(parts, labels.tolist(), strict=True))


def build(case: EpochCase) -> torch.nn.Module:
    """Return the network with random weights."""
    torch.manual_seed(SEED)
    config = transformers.AlbertConfig(
        vocab_size=VOCAB_SIZE,
        embedding_size=128,
        hidden_act="gelu_new",
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
        num_labels=2,
        **case.shape,
    )
    return transformers.AlbertForSequenceClassification(config)


def train(network: torch.nn.Module, rows: list[Row], case: EpochCase) -> None:
    """Train for one epoch."""
    batches = torch.utils.data.DataLoader(rows, batch_size=case.batch_size, shuffle=True, collate_fn=pad)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(batches)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, int(WARMUP_RATIO * steps), steps)
    network.train()
    for number, batch in enumerate(batches, start=1):
        loss = network(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if number % _LOG_STEPS == 0:
            print(f"step {number} of {steps}: loss {loss.item():.4f}", flush=True)


def evaluate(network: torch.nn.Module, rows: list[Row], case: EpochCase) -> int:
    """Predict all rows; return their number."""
    batches = torch.utils.data.DataLoader(rows, batch_size=case.batch_size, collate_fn=pad)
    network.eval()
    right = done = 0
    with torch.inference_mode():
        for batch in batches:
            labels = batch.pop("labels")
            right += int((network(**batch).logits.argmax(-1) == labels).sum())
            done += len(labels)
    print(f"accuracy {right / done:.4f} of {done} rows", flush=True)
    return done


def work(case: EpochCase) -> dict[str, float]:
    """Train for an epoch and evaluate; return seconds of both and rows evaluated."""
    training, dev = read(case, "train"), read(case, "dev")
    network = build(case)
    start = time.perf_counter()
    train(network, training, case)
    middle = time.perf_counter()
    rows = evaluate(network, dev, case)
    return {"train_s": middle - start, "evaluate_s": time.perf_counter() - middle, "rows": float(rows)}


if __name__ == "__main__":
    sys.exit(work_once(sys.argv[1:], EpochCase, work, versions))
