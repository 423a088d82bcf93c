from __future__ import annotations

import math

import numpy as np
from mindspore import Tensor

from src.config.sections import NetworkConfig
from src.model.attention import SelfAttention
from tests.parity.cases import small_config

BATCH, LENGTH = 2, 20


def _attend(relative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return this project's result and that of loops over heads and positions in float64."""
    config: NetworkConfig = small_config(
        use_relative_positions=relative, seq_length=LENGTH, max_position_embeddings=LENGTH
    )
    cell = SelfAttention(config, applications=1)
    random = np.random.RandomState(0)
    values = {}
    for name, parameter in cell.parameters_and_names():
        values[name] = (0.5 * random.standard_normal(parameter.shape)).astype(np.float32)
        parameter.set_data(Tensor(values[name]))
    hidden = random.standard_normal((BATCH * LENGTH, config.hidden_size)).astype(np.float32)
    mask = np.zeros((BATCH, 1, 1, LENGTH), np.float32)
    mask[1, :, :, -3:] = -10000
    tokens = Tensor(hidden)
    ours = cell(tokens, tokens, Tensor(mask), 0).asnumpy()

    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    query, key, value = (
        (hidden.astype(np.float64) @ values[f"{part}_layer.weight"].T + values[f"{part}_layer.bias"]).reshape(
            BATCH, LENGTH, heads, size
        )
        for part in ("query", "key", "value")
    )
    table = np.zeros((33, size))
    if relative:
        table = values["_generate_relative_positions_embeddings.embeddings_for_position"].astype(np.float64)
    expected = np.zeros((BATCH, LENGTH, heads, size))
    for b, h, i in np.ndindex(BATCH, heads, LENGTH):
        vectors = np.stack([table[min(max(j - i, -16), 16) + 16] for j in range(LENGTH)])
        scores = (key[b, :, h] + vectors) @ query[b, i, h] / math.sqrt(size) + mask[b, 0, 0]
        probabilities = np.exp(scores - scores.max())
        probabilities /= probabilities.sum()
        expected[b, i, h] = probabilities @ (value[b, :, h] + vectors)
    return ours, expected.reshape(BATCH * LENGTH, -1)


def test_attention_equals_its_definition() -> None:
    ours, expected = _attend(relative=False)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_relative_positions_enter_keys_and_values() -> None:
    # 20 tokens: distances beyond 16 are clipped.
    ours, expected = _attend(relative=True)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
