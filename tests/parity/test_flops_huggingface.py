"""Our count of FLOPs beside PyTorch's, which looks at each product that HF's ALBERT really computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)

from src.config.presets import preset
from src.config.sections import NetworkConfig
from src.model.flops import (
    Products,
    backbone_products,
    forward_flops,
    pooled_products,
    pretraining_products,
    token_products,
    train_flops,
)
from tests.parity.cases import small_config

ROWS = 3
SIZES = {
    "tiny": (small_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2), 10),
    "base": (NetworkConfig(**preset("base", "v2")), 128),
}


def heads(config: NetworkConfig, length: int) -> dict[Any, Products]:
    return {
        AlbertForSequenceClassification: pooled_products(config, ROWS, 5),
        AlbertForTokenClassification: token_products(config, ROWS, length, 5),
        AlbertForQuestionAnswering: token_products(config, ROWS, length, 2),
        # This peer scores every position.
        AlbertForPreTraining: pretraining_products(config, ROWS, length),
    }


def counted(kind: Any, config: NetworkConfig, length: int) -> tuple[int, int]:
    """Return what PyTorch counts in a forward pass and in a forward and backward pass.

    On the meta device only shapes are computed, so that base size takes no time.
    """
    names = AlbertConfig().to_dict().keys() & config.model_dump().keys()
    shape = {name: value for name, value in config.model_dump().items() if name in names}
    with torch.device("meta"):
        labels = 2 if kind in (AlbertForQuestionAnswering, AlbertForPreTraining) else 5
        # The operator that fuses the attention is not counted on every device.
        network = kind(AlbertConfig(**shape, num_labels=labels, attn_implementation="eager"))
        ids = torch.zeros((ROWS, length), dtype=torch.int64)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": ids}
    with FlopCounterMode(display=False) as counter:
        outputs = network(**inputs)
        forward = counter.get_total_flops()
        sum(value.sum() for value in outputs.values()).backward()
    return forward, counter.get_total_flops()


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize(("kind", "read"), [(AlbertForSequenceClassification, 1), (AlbertForPreTraining, 5)])
def test_the_peer_computes_queries_and_feed_forward_of_its_last_layer_at_every_position(
    kind: Any, read: int, size: str
) -> None:
    config, length = SIZES[size]
    products = (*backbone_products(config, ROWS, length, read), *heads(config, length)[kind])
    hidden = config.hidden_size
    # A token's query and output of the attention, its feed-forward block, scores and context.
    of_token = 4 * hidden**2 + 4 * hidden * config.intermediate_size + 4 * length * hidden
    more = ROWS * (length - read) * of_token
    assert counted(kind, config, length) == (forward_flops(products) + more, train_flops(products) + 3 * more)


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize(
    "kind",
    [
        AlbertForSequenceClassification,
        AlbertForTokenClassification,
        AlbertForQuestionAnswering,
        AlbertForPreTraining,
    ],
)
def test_pytorch_counts_the_same_to_the_last_operation(kind: Any, size: str) -> None:
    config, length = SIZES[size]
    products = (*backbone_products(config, ROWS, length), *heads(config, length)[kind])
    assert counted(kind, config, length) == (forward_flops(products), train_flops(products))
