from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from src.config.presets import preset
from src.config.sections import NetworkConfig
from src.model.flops import (
    LAST_LAYER,
    Products,
    backbone_products,
    beam_products,
    executed_flops,
    forward_flops,
    pooled_products,
    pretraining_products,
    token_products,
    train_flops,
)
from src.model.heads import AlbertCLSModel, AlbertNERModel
from src.model.pretraining import AlbertPreTrainingModel

# E 2, D 4, F 6, two heads of 2, three layers, V 5.
TINY = NetworkConfig(
    seq_length=3,
    vocab_size=5,
    embedding_size=2,
    hidden_size=4,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=3,
)
BASE = NetworkConfig(**preset("base", "v2"))


def by_part(products: Products) -> dict[str, int]:
    found: dict[str, int] = {}
    for product in products:
        found[product.part] = found.get(product.part, 0) + product.flops
    return found


def test_a_network_that_can_be_counted_by_hand() -> None:
    # Two rows of three tokens: M = 6.
    assert by_part(backbone_products(TINY, 2, 3)) == {
        "embedding mapping": 2 * 6 * 2 * 4,
        "query, key, value": 3 * 3 * (2 * 6 * 4 * 4),
        # Three layers, two rows, two heads: 12 products of [3, 2] by [2, 3].
        "attention scores": 12 * (2 * 3 * 3 * 2),
        "attention context": 12 * (2 * 3 * 2 * 3),
        "attention output": 3 * (2 * 6 * 4 * 4),
        "feed-forward in": 3 * (2 * 6 * 6 * 4),
        "feed-forward out": 3 * (2 * 6 * 4 * 6),
    }


def test_a_last_layer_that_is_read_at_one_position_by_hand() -> None:
    assert by_part(backbone_products(TINY, 2, 3, 1)) == {
        "embedding mapping": 2 * 6 * 2 * 4,
        # Three times keys and values, twice queries.
        "query, key, value": (3 * 2 + 2) * (2 * 6 * 4 * 4),
        "attention scores": 8 * (2 * 3 * 3 * 2),
        "attention context": 8 * (2 * 3 * 2 * 3),
        "attention output": 2 * (2 * 6 * 4 * 4),
        "feed-forward in": 2 * (2 * 6 * 6 * 4),
        "feed-forward out": 2 * (2 * 6 * 4 * 6),
        # For two tokens: query and output; four products of [1, 2] by [2, 3] and of [1, 3] by [3, 2]; feed-forward.
        LAST_LAYER: 2 * (2 * 2 * 4 * 4) + 4 * 2 * (2 * 3 * 2) + 2 * (2 * 2 * 6 * 4),
    }


def test_where_every_position_is_read_the_last_layer_is_as_the_others() -> None:
    whole = backbone_products(TINY, 2, 3)
    assert backbone_products(TINY, 2, 3, 3) == backbone_products(TINY, 2, 3, 7) == whole
    relative = TINY.model_copy(update={"use_relative_positions": True})
    assert backbone_products(relative, 2, 3, 1) == backbone_products(relative, 2, 3)


def seen_flops(network: nn.Cell, inputs: list[np.ndarray]) -> int:
    """Return the operations of the products that a forward pass really does, from the shapes that its operators see."""
    seen = []

    def watched(product: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(left: Tensor, right: Tensor) -> Tensor:
            result = product(left, right)
            seen.append(2 * result.size * left.shape[-1])
            return result

        return run

    for _, cell in network.cells_and_names():
        for name, value in list(vars(cell).items()):
            if isinstance(value, ops.MatMul | ops.BatchMatMul):
                object.__setattr__(cell, name, watched(value))
    network.set_train(False)
    network(*(Tensor(values, ms.int32) for values in inputs))
    return sum(seen)


@pytest.mark.parametrize("changes", [{}, {"inner_group_num": 2}, {"num_hidden_layers": 1}, {"recompute": True}])
@pytest.mark.parametrize("relative", [False, True])
def test_the_network_computes_what_is_counted_and_no_more(changes: dict[str, object], relative: bool) -> None:
    config = TINY.model_copy(update={**changes, "use_relative_positions": relative})
    tokens = np.ones((2, 3))
    for predictions in (1, 4):
        expected = (
            *backbone_products(config, 2, 3, predictions + 1),
            *pretraining_products(config, 2, predictions),
        )
        places = np.resize([2, 1], (2, predictions))
        seen = seen_flops(AlbertPreTrainingModel(config), [tokens, tokens, tokens * 0, places])
        assert seen == forward_flops(expected)
    classification = (*backbone_products(config, 2, 3, 1), *pooled_products(config, 2, 7))
    assert seen_flops(AlbertCLSModel(config, 7), [tokens, tokens, tokens * 0]) == forward_flops(classification)
    # Executed eagerly, the pooler is computed though nothing reads it.
    pooler = 2 * 2 * 4 * 4
    entities = (*backbone_products(config, 2, 3), *token_products(config, 2, 3, 7))
    assert seen_flops(AlbertNERModel(config, 7), [tokens, tokens, tokens * 0]) == forward_flops(entities) + pooler


def test_the_heads_by_hand() -> None:
    assert by_part(pooled_products(TINY, 2, 7)) == {"pooler": 2 * 2 * 4 * 4, "head": 2 * 2 * 7 * 4}
    assert by_part(token_products(TINY, 2, 3, 7)) == {"head": 2 * 6 * 7 * 4}
    assert by_part(pretraining_products(TINY, 2, 2)) == {
        "pooler": 64,
        "head": 32,
        "prediction transform": 2 * 4 * 2 * 4,
        "vocabulary scores": 2 * 4 * 5 * 2,
    }
    assert by_part(beam_products(TINY, 2, 3)) == {
        "head: start": 2 * 6 * 4,
        "head: end": 2 * 6 * 16 + 2 * 2 * 16 + 2 * 6 * 4,
        "head: answerability": 2 * (2 * 4 * 3) + 2 * 2 * 4 * 8 + 2 * 2 * 4,
    }


def test_the_formula_of_the_docstring() -> None:
    rows, length = 8, 128
    tokens, hidden, feed_forward = rows * length, 768, 3072
    layer = 8 * tokens * hidden**2 + 4 * tokens * hidden * feed_forward + 4 * tokens * length * hidden
    assert forward_flops(backbone_products(BASE, rows, length)) == 2 * tokens * 128 * hidden + 12 * layer


def test_relative_positions_double_the_attention_products() -> None:
    relative = TINY.model_copy(update={"use_relative_positions": True})
    more = forward_flops(backbone_products(relative, 2, 3)) - forward_flops(backbone_products(TINY, 2, 3))
    assert more == 2 * 12 * 36


def test_every_application_of_a_layer_counts_however_weights_are_shared() -> None:
    inner = TINY.model_copy(update={"inner_group_num": 2})
    mapping = 2 * 6 * 2 * 4
    one, two = (forward_flops(backbone_products(config, 2, 3)) - mapping for config in (TINY, inner))
    assert two == 2 * one
    groups = TINY.model_copy(update={"num_hidden_groups": 3})
    assert backbone_products(groups, 2, 3) == backbone_products(TINY, 2, 3)


def test_a_train_step_is_three_passes_and_recompute_adds_the_layers() -> None:
    backbone, head = backbone_products(BASE, 2, 16), pooled_products(BASE, 2, 2)
    forward = forward_flops((*backbone, *head))
    assert train_flops((*backbone, *head)) == 3 * forward
    assert executed_flops((*backbone, *head), BASE) == 3 * forward
    again = BASE.model_copy(update={"recompute": True})
    mapping = 2 * 32 * 128 * 768
    assert executed_flops((*backbone, *head), again) == 3 * forward + forward_flops(backbone) - mapping


@pytest.mark.parametrize("count", [backbone_products, beam_products, lambda *key: token_products(*key, 2)])
def test_flops_grow_with_the_rows_and_faster_with_the_length(count: object) -> None:
    of = [forward_flops(count(BASE, *shape)) for shape in ((1, 64), (4, 64), (1, 128))]  # type: ignore[operator]
    assert of[1] == 4 * of[0]
    assert of[2] > 1.9 * of[0]
