"""Floating-point operations of a pass through the network and of a train step, counted from its matrix products.

A product of [m, k] by [k, n] counts 2 m n k: a multiplication and an addition each. Everything else (softmax,
LayerNorm, activations, sums, embedding look-ups, the optimizer) is not counted: it takes time at the memory and not at
the multipliers. With M = B * T tokens and L applied layers, a forward pass of the backbone is

    2 M E D  +  L (8 M D^2 + 4 M D F + 4 M T D)

where 8 M D^2 are query, key, value and output of the attention, 4 M D F the feed-forward block, and 4 M T D scores and
context (once more as much with relative positions). ALBERT's layers share their weights, which saves memory and no
operation. The heads: see their functions.

Where a head reads the last layer's output at R positions of each row only, that layer has its keys and values, 4 M D^2,
and everything else for Q = B R rows: 4 Q D^2 + 4 Q D F + 4 Q T D. No more is needed, and no more is computed or counted
(``AlbertLayer``); with relative positions the whole layer is computed, and counts.

The backward pass has two products of the same size for each of the forward pass, one for either operand. None of them
can be left out here: the first product of the network, too, needs the gradient of its input, because that comes from
the embedding tables, which are trained. So a train step is exactly three forward passes.

These are *model FLOPs* in the sense of PaLM (arXiv:2204.02311, appendix B): layers that ``recompute`` computes again do
not count, because they do nothing for the training. ``executed_flops`` counts them.

Letters as in ``albert_model.py``, with P predictions per row and C classes. This module imports no MindSpore.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from src.config.sections import NetworkConfig


@dataclass(frozen=True)
class Product:
    """Matrix products of one shape, [m, k] by [k, n].

    Attributes:
        part: What they are for.
        m: Rows of the result.
        n: Columns of the result.
        k: Size of the axis that is summed over.
        calls: Calls of an operator in a forward pass.
        batch: Products of each call.
        in_layer: They belong to the layers, which ``recompute`` computes twice.
    """

    part: str
    m: int
    n: int
    k: int
    calls: int = 1
    batch: int = 1
    in_layer: bool = False

    @property
    def flops(self) -> int:
        """Return the operations of all of them."""
        return 2 * self.m * self.n * self.k * self.batch * self.calls


Products = tuple[Product, ...]
# What the last layer does for the positions that are read, where that is not all of them.
LAST_LAYER = "last layer, positions that are read"


def backbone_products(config: NetworkConfig, rows: int, length: int, read: int | None = None) -> Products:
    """Return the products of embedding mapping and layers for a batch of ``rows`` x ``length`` tokens.

    Args:
        config: The network.
        rows: B.
        length: T.
        read: R, how many positions of a row are read of the last layer's output; all of them by default.
    """
    tokens, hidden, feed_forward = rows * length, config.hidden_size, config.intermediate_size
    layers = config.num_hidden_layers * config.inner_group_num
    positions = computed_positions(config, length, read)
    whole = layers if positions == length else layers - 1
    products = (
        Product("embedding mapping", tokens, hidden, config.embedding_size),
        # Every layer has keys and values of all tokens.
        Product("query, key, value", tokens, hidden, hidden, 2 * layers + whole, in_layer=True),
        *_attention_products(config, rows, length, whole),
        Product("attention output", tokens, hidden, hidden, whole, in_layer=True),
        Product("feed-forward in", tokens, feed_forward, hidden, whole, in_layer=True),
        Product("feed-forward out", tokens, hidden, feed_forward, whole, in_layer=True),
    )
    return products if whole == layers else (*products, *_last_layer_products(config, rows, length, positions))


def computed_positions(config: NetworkConfig, length: int, read: int | None) -> int:
    """Return the positions of a row whose queries and feed-forward block the last layer computes.

    Arguments as in ``backbone_products``.
    """
    return length if read is None or config.use_relative_positions else min(read, length)


def _last_layer_products(config: NetworkConfig, rows: int, length: int, positions: int) -> Products:
    """Return what the last layer computes for ``positions`` of each row, besides keys and values."""
    part, places, pairs = LAST_LAYER, rows * positions, rows * config.num_attention_heads
    hidden, feed_forward = config.hidden_size, config.intermediate_size
    size = hidden // config.num_attention_heads
    return (
        # Query and output.
        Product(part, places, hidden, hidden, 2, in_layer=True),
        # Scores and context.
        Product(part, positions, length, size, 1, pairs, in_layer=True),
        Product(part, positions, size, length, 1, pairs, in_layer=True),
        Product(part, places, feed_forward, hidden, in_layer=True),
        Product(part, places, hidden, feed_forward, in_layer=True),
    )


def _attention_products(config: NetworkConfig, rows: int, length: int, layers: int) -> Products:
    """Return scores and context: one product for every row and head, or every position with relative ones."""
    heads = config.num_attention_heads
    size, pairs = config.hidden_size // heads, rows * heads
    products = (
        Product("attention scores", length, length, size, layers, pairs, in_layer=True),
        Product("attention context", length, size, length, layers, pairs, in_layer=True),
    )
    if not config.use_relative_positions:
        return products
    return (
        *products,
        Product("relative scores", pairs, length, size, layers, length, in_layer=True),
        Product("relative values", pairs, size, length, layers, length, in_layer=True),
    )


def pooled_products(config: NetworkConfig, rows: int, classes: int) -> Products:
    """Return pooler and a head of ``classes`` on it: B x D x D and B x C x D."""
    hidden = config.hidden_size
    return (Product("pooler", rows, hidden, hidden), Product("head", rows, classes, hidden))


def token_products(config: NetworkConfig, rows: int, length: int, classes: int) -> Products:
    """Return a head of ``classes`` on every token, M x C x D; two for the start and end of an answer.

    The pooler is no part of it: nothing reads its output, and the graph leaves it out.
    """
    return (Product("head", rows * length, classes, config.hidden_size),)


def pretraining_products(config: NetworkConfig, rows: int, predictions: int) -> Products:
    """Return pooler, sentence order, and the masked language model on B * P gathered positions.

    Its transformation is BP x E x D, and the product with the tied table of token embeddings BP x V x E. Slots that
    hold no prediction are computed too, and count.
    """
    places = rows * predictions
    return (
        *pooled_products(config, rows, 2),
        Product("prediction transform", places, config.embedding_size, config.hidden_size),
        Product("vocabulary scores", places, config.vocab_size, config.embedding_size),
    )


def beam_products(config: NetworkConfig, rows: int, length: int) -> Products:
    """Return the head of SQuAD v2.0 with a beam, in training: one start for each row.

    Start M x 1 x D; end: the tokens' half of its dense layer M x D x D, the start's half B x D x D, score M x 1 x D;
    answerability: the expected start B x D x T, a dense layer B x D x 2D and its score B x 1 x D.
    """
    tokens, hidden = rows * length, config.hidden_size
    return (
        Product("head: start", tokens, 1, hidden),
        Product("head: end", tokens, hidden, hidden),
        Product("head: end", rows, hidden, hidden),
        Product("head: end", tokens, 1, hidden),
        Product("head: answerability", 1, hidden, length, batch=rows),
        Product("head: answerability", rows, hidden, 2 * hidden),
        Product("head: answerability", rows, 1, hidden),
    )


def forward_flops(products: Iterable[Product]) -> int:
    """Return the operations of a forward pass."""
    return sum(product.flops for product in products)


def train_flops(products: Iterable[Product]) -> int:
    """Return the model FLOPs of a train step: forward pass, and twice as much backward."""
    return 3 * forward_flops(products)


def executed_flops(products: Iterable[Product], config: NetworkConfig) -> int:
    """Return the operations that a train step really does: those of ``train_flops``, and recomputed layers."""
    products = tuple(products)
    again = forward_flops(product for product in products if product.in_layer) if config.recompute else 0
    return train_flops(products) + again
