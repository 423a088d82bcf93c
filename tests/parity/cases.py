"""Networks, weights and batches on which this project and HF transformers are compared; pure numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes

TOLERANCE = 1e-4  # absolute, float32


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    num_labels: int
    config: NetworkConfig
    batch_size: int = 3
    length: int = 10
    seed: int = 7


@dataclass
class Outcome:
    """Everything a network computes on a batch; gradients by canonical name."""

    hidden_states: list[np.ndarray]
    pooled: np.ndarray | None  # HF's token classification has no pooler
    logits: np.ndarray
    loss: np.ndarray
    gradients: dict[str, np.ndarray] = field(default_factory=dict)


def small_config(**changes: object) -> NetworkConfig:
    sizes: dict[str, object] = {
        "seq_length": 12,
        "vocab_size": 50,
        "embedding_size": 8,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 12,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.0,
    }
    return NetworkConfig(**{**sizes, **changes})


def tiny_config(**changes: object) -> NetworkConfig:
    sizes = {
        "seq_length": 8,
        "vocab_size": 11,
        "embedding_size": 4,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 8,
    }
    return small_config(**{**sizes, **changes})


SMALL_CASES = (
    Case("small classification, groups 1, inner 1, gelu", "classification", 3, small_config()),
    Case(
        "small classification, groups 2, inner 2, gelu_erf",
        "classification",
        2,
        small_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2, hidden_act="gelu_erf"),
    ),
    Case(
        "small token classification, groups 2, inner 1, gelu_new",
        "token_classification",
        5,
        small_config(num_hidden_layers=3, num_hidden_groups=2, hidden_act="gelu_new"),
    ),
    Case(
        "small regression, groups 1, inner 2, relu",
        "regression",
        1,
        small_config(inner_group_num=2, hidden_act="relu"),
    ),
)
BASE_CASE = Case(
    "base (12 layers, 768) classification, batch 2 x 32",
    "classification",
    3,
    NetworkConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0),
    batch_size=2,
    length=32,
)
GOLDEN_CASES = (
    Case("classification", "classification", 3, tiny_config(), batch_size=2, length=6),
    Case(
        "token_classification_groups",
        "token_classification",
        3,
        tiny_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2),
        batch_size=2,
        length=6,
    ),
    Case("regression_gelu_erf", "regression", 1, tiny_config(hidden_act="gelu_erf"), batch_size=2, length=6),
)


def random_weights(case: Case) -> dict[str, np.ndarray]:
    """Return weights by canonical name; RandomState's stream is frozen, so that goldens need not store them."""
    shapes = backbone_shapes(case.config)
    shapes |= {"dense_1.weight": (case.num_labels, case.config.hidden_size), "dense_1.bias": (case.num_labels,)}
    random = np.random.RandomState(case.seed)
    deviation = 0.02 if case.config.hidden_size >= 768 else 0.2
    weights = {}
    for name, shape in sorted(shapes.items()):
        centre = 1.0 if name.endswith("gamma") else 0.0
        weights[name] = (centre + deviation * random.standard_normal(shape)).astype(np.float32)
    return weights


def random_batch(case: Case) -> dict[str, np.ndarray]:
    """Return the inputs of the loss networks, int32 and float32; every row but the first is padded.

    Id 0 is padding only: HF's table gives its row no gradient, wherever it stands.
    """
    random = np.random.RandomState(case.seed + 1)
    shape = (case.batch_size, case.length)
    lengths = case.length - 2 * np.arange(case.batch_size)
    mask = (np.arange(case.length)[None, :] < lengths[:, None]).astype(np.int32)
    input_ids = random.randint(1, case.config.vocab_size, shape).astype(np.int32) * mask
    segments = (np.arange(case.length)[None, :] >= 4).astype(np.int32) * mask
    if case.kind == "token_classification":
        labels = np.where(mask == 1, random.randint(0, case.num_labels, shape), -100).astype(np.int32)
        labels[:, 0] = -100
        count = int((labels >= 0).sum())
    else:
        count = case.batch_size
        labels = random.randint(0, case.num_labels, count).astype(np.int32)
        if case.kind == "regression":
            labels = random.uniform(0, 5, count).astype(np.float32)
    return {
        "input_ids": input_ids,
        "input_mask": mask,
        "segment_ids": segments,
        "label_ids": labels,
        "row_weight": np.ones(case.batch_size, np.float32),
        "normalizers": np.array([count], np.float32),
    }


def differences(ours: Outcome, reference: Outcome) -> dict[str, float]:
    """Return the largest absolute difference of each kind of output."""
    assert len(ours.hidden_states) == len(reference.hidden_states)
    states = zip(ours.hidden_states, reference.hidden_states, strict=True)
    result = {"hidden states": max(_difference(a, b) for a, b in states)}
    if reference.pooled is not None and ours.pooled is not None:
        result["pooled"] = _difference(ours.pooled, reference.pooled)
    result["logits"] = _difference(ours.logits, reference.logits)
    result["loss"] = _difference(ours.loss, reference.loss)
    assert set(ours.gradients) == set(reference.gradients)
    result["gradients"] = max(_difference(ours.gradients[n], reference.gradients[n]) for n in reference.gradients)
    return result


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.isfinite(a).all()
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
