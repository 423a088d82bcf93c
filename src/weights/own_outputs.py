"""What this project's network computes with given weights. Importing this module imports MindSpore."""

from __future__ import annotations

from collections.abc import Mapping

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.layers import Linear
from src.model.names import canonical_name
from src.model.pretraining import MaskedLanguageModelHead, SentenceOrderHead
from src.weights.coverage import HEADS

_TABLE = "albert_embedding_lookup.embedding_table"

Outputs = dict[str, np.ndarray]


def own_outputs(weights: Mapping[str, np.ndarray], network: NetworkConfig, batch: tuple[np.ndarray, ...]) -> Outputs:
    """Return the outputs of the backbone and of every head that the weights have, without dropout.

    Args:
        weights: Arrays by canonical name.
        network: The network.
        batch: Ids, mask and segments, int32 [B, T].

    Returns:
        ``hidden states`` [L + 1, B, T, D] and ``pooled`` [B, D]; where there is the head for it, ``masked tokens``
        [B, T, V], ``order`` [B, 2], ``classes`` [B, C], ``classes of tokens`` [B * T, C], ``answers`` [B * T, 2].
    """
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ids, mask, segments = (Tensor(values) for values in batch)
    heads = {name.split(".", 1)[0] for name in weights} & set(HEADS)
    model = AlbertModel(network).set_train(False)
    _fill(model, weights, "")
    states = model.hidden_states(ids, segments, mask)
    pooled = model.tanh(model.dense(states[-1][:, 0]))
    rows = states[-1].reshape(-1, network.hidden_size)
    outputs = {"hidden states": np.stack([state.asnumpy() for state in states]), "pooled": pooled.asnumpy()}
    if "cls1" in heads:
        masked = _fill(MaskedLanguageModelHead(network), weights, "cls1.")
        outputs["masked tokens"] = masked(rows, Tensor(weights[_TABLE])).asnumpy()
        outputs["masked tokens"] = outputs["masked tokens"].reshape(*batch[0].shape, -1)
    if "cls2" in heads:
        outputs["order"] = _fill(SentenceOrderHead(network), weights, "cls2.")(pooled).asnumpy()
    for head, inputs, name in (
        ("dense_1", pooled, "classes"),
        ("dense_1", rows, "classes of tokens"),
        ("dense1", rows, "answers"),
    ):
        if head in heads:
            linear = Linear(network.hidden_size, len(weights[f"{head}.bias"]), network, "float32")
            outputs[name] = _fill(linear, weights, f"{head}.")(inputs).asnumpy()
    return outputs


def _fill(cell: nn.Cell, weights: Mapping[str, np.ndarray], prefix: str) -> nn.Cell:
    """Give a cell the values of the weights whose names begin with ``prefix``."""
    for parameter in cell.get_parameters():
        parameter.set_data(Tensor(weights[prefix + canonical_name(parameter.name)], parameter.dtype))
    return cell.set_train(False)
