"""The published sizes of ALBERT and what their networks weigh.

Sizes: paper table 1 and the ``albert_config.json`` files released with v1 and v2. The two versions differ in dropout
alone: v2 has none in the encoder, and xxlarge has none in v1 either.
"""

from __future__ import annotations

from typing import Any

from src.config.sections import NetworkConfig

_SHAPES: dict[str, tuple[int, int, int, int]] = {
    # hidden_size, num_hidden_layers, num_attention_heads, intermediate_size
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "xlarge": (2048, 24, 16, 8192),
    "xxlarge": (4096, 12, 64, 16384),
}
SHAPE_KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
DROPOUT_KEYS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def preset(network: str, version: str) -> dict[str, Any]:
    """Return the keys that a size and a version decide; ``custom`` decides dropout only.

    Args:
        network: base, large, xlarge, xxlarge or custom.
        version: v1 or v2.
    """
    shape = dict(zip(SHAPE_KEYS, _SHAPES[network], strict=True)) if network in _SHAPES else {}
    dropout = 0.0 if version == "v2" or network == "xxlarge" else 0.1
    return {**shape, **dict.fromkeys(DROPOUT_KEYS, dropout)}


def parameter_count(config: NetworkConfig) -> int:
    """Return the number of parameters of encoder and pooler, without any head.

    Tables of relative positions (``use_relative_positions``) are not counted: no published model has them.
    """
    embedding, hidden, feed_forward = config.embedding_size, config.hidden_size, config.intermediate_size
    tables = (config.vocab_size + config.max_position_embeddings + config.type_vocab_size) * embedding
    layer_norm = 2 * hidden
    # Google's code has no projection when the two sizes are the same.
    projection = embedding * hidden + hidden if embedding != hidden else 0
    attention = 4 * (hidden * hidden + hidden) + layer_norm
    dense = hidden * feed_forward + feed_forward + feed_forward * hidden + hidden + layer_norm
    layers = config.num_hidden_groups * config.inner_group_num * (attention + dense)
    pooler = hidden * hidden + hidden
    return tables + 2 * embedding + projection + layers + pooler
