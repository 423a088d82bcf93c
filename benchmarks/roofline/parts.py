"""The parts of a train step with their FLOPs and bytes: pure arithmetic, for any machine.

The bytes are the least that must move: every operator reads its inputs and writes its results once, what can be fused
into one operator is one, biases are added while a product is written, and heads are split without a copy. So the time
that follows from them is a lower bound, and not a forecast.

Letters as in ``src/model/albert_model.py``, with P predictions per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.config.presets import parameter_count
from src.config.sections import NetworkConfig
from src.model.flops import (
    Product,
    Products,
    backbone_products,
    computed_positions,
    pooled_products,
    pretraining_products,
    train_flops,
)

_FLOAT32 = 4
_TYPE_BYTES = {"float32": 4, "float16": 2}
# Products that the network computes in float32 whatever compute_type says.
_FLOAT32_PRODUCTS = ("pooler", "head", "prediction transform")
# For every weight: the norm reads the gradient; AdamWeightDecay reads it, weight and two moments, and writes three.
_OPTIMIZER_PASSES = 8
_CLASSES = 2


@dataclass(frozen=True)
class Shape:
    """A train step.

    Attributes:
        config: The network.
        rows: B.
        length: T.
        predictions: P of pre-training; 0 for a classification of two classes.
    """

    config: NetworkConfig
    rows: int
    length: int
    predictions: int = 0

    @property
    def tokens(self) -> int:
        """Return M."""
        return self.rows * self.length

    @property
    def read(self) -> int:
        """Return how many positions of a row are read of the last layer's output: the first and the predictions."""
        return 1 + self.predictions

    @property
    def products(self) -> Products:
        """Return the matrix products of a forward pass."""
        backbone = backbone_products(self.config, self.rows, self.length, self.read)
        if self.predictions:
            return (*backbone, *pretraining_products(self.config, self.rows, self.predictions))
        return (*backbone, *pooled_products(self.config, self.rows, _CLASSES))

    @property
    def parameters(self) -> int:
        """Return the number of trained weights."""
        config, head = self.config, _CLASSES * (self.config.hidden_size + 1)
        if self.predictions:
            head += (config.hidden_size + 3) * config.embedding_size + config.vocab_size
        return parameter_count(config) + head


@dataclass(frozen=True)
class Part:
    """A part of a train step, forward and backward.

    Attributes:
        name: What it is.
        flops: Of its products; 0 of elementwise work, which is bound by the memory.
        bytes: The least that it moves from and to the memory.
        products: Its products of the forward pass, where it has some.
    """

    name: str
    flops: int
    bytes: int
    products: Products = ()


def parts_of(shape: Shape) -> list[Part]:
    """Return all parts of a train step."""
    products: dict[str, list[Product]] = {}
    for product in shape.products:
        products.setdefault(product.part, []).append(product)
    return [*(_product_part(same, shape.config) for same in products.values()), *_elementwise_parts(shape)]


def _product_part(products: Sequence[Product], config: NetworkConfig) -> Part:
    """Return the products of a part, each with its two of the backward pass."""
    moved = sum(_bytes_of(product, config) for product in products)
    return Part(products[0].part, train_flops(products), moved, tuple(products))


def _bytes_of(product: Product, config: NetworkConfig) -> int:
    """Return what a product and its two of the backward pass move: each reads two of three matrices, writes the third.

    They are the same three matrices.
    """
    size = _TYPE_BYTES["float32" if product.part in _FLOAT32_PRODUCTS else config.compute_type]
    matrices = product.m * product.k + product.k * product.n + product.m * product.n
    return 3 * matrices * product.batch * product.calls * size


def _elementwise_parts(shape: Shape) -> list[Part]:
    """Return what is not a product; it is float32 whatever the type of the products is."""
    config, tokens, embedding = shape.config, shape.tokens, shape.tokens * shape.config.embedding_size
    layers = config.num_hidden_layers * config.inner_group_num
    # Rows of all layers together: of the last one only those that it computes.
    rows = tokens * (layers - 1) + shape.rows * computed_positions(config, shape.length, shape.read)
    hidden, feed_forward = rows * config.hidden_size, rows * config.intermediate_size
    scores = rows * config.num_attention_heads * shape.length
    numbers = {
        # Forward reads and writes, backward reads the result and its gradient and writes.
        "softmax": 5 * scores,
        "activation": 5 * feed_forward,
        # Forward 2 read and 1 written, backward 2 and 1, and the gradients of the two branches are added: 2 and 1.
        "residual sums and LayerNorm": 2 * 9 * hidden,
        # Backward only: each gradient of a product is summed over its rows, of keys and values over all tokens.
        "gradients of biases": 3 * hidden + feed_forward + 2 * tokens * config.hidden_size * layers,
        "dropout": _dropout_numbers(config, hidden, embedding, scores),
        # Look-up 2, sums and LayerNorm 3 forward and 3 backward, scattered gradient 3, and the gradient of the table.
        "embeddings": 11 * embedding + config.vocab_size * config.embedding_size,
        # Forward reads and writes the logits, backward reads the probabilities and writes their gradient.
        "loss over the vocabulary": 4 * shape.rows * shape.predictions * config.vocab_size,
        "gradient norm and optimizer": _OPTIMIZER_PASSES * shape.parameters,
    }
    return [Part(name, 0, count * _FLOAT32) for name, count in numbers.items() if count]


def _dropout_numbers(config: NetworkConfig, hidden: int, embedding: int, scores: int) -> int:
    """Return the numbers that dropout moves: read and written forward and backward; the masks are left out."""
    in_hidden = 4 * (2 * hidden + embedding) if config.hidden_dropout_prob else 0
    return in_hidden + (4 * scores if config.attention_probs_dropout_prob else 0)
