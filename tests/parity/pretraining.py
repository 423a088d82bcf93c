"""The pre-training network beside HF's ``AlbertForPreTraining`` on the same weights."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import torch
import transformers
from mindspore import Tensor

from src.config.sections import NetworkConfig
from src.model.names import canonical_name, huggingface_name
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from tests.parity.cases import small_config

BASE = NetworkConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0, hidden_act="gelu_new")
SMALL = small_config(num_hidden_layers=3, num_hidden_groups=2, hidden_act="gelu_new")


def random_batch(config: NetworkConfig, rows: int, length: int, predictions: int) -> list[np.ndarray]:
    """Return the inputs of the loss network; the last row has fewer predictions and padding."""
    random = np.random.RandomState(11)
    mask = np.ones((rows, length), np.int32)
    mask[-1, length - 2 :] = 0
    # HF gives row 0 of its table no gradient, so that id 0 is padding only.
    ids = random.randint(1, config.vocab_size, mask.shape).astype(np.int32) * mask
    segments = (np.arange(length) > length // 2).astype(np.int32) * mask
    order = random.randint(0, 2, (rows, 1)).astype(np.int32)
    positions = np.stack([random.permutation(length - 3)[:predictions] + 1 for _ in range(rows)]).astype(np.int32)
    labels = random.randint(1, config.vocab_size, positions.shape).astype(np.int32)
    weights = np.ones(positions.shape, np.float32)
    weights[-1, -1] = 0
    normalizers = np.array([weights.sum(), rows], np.float32)
    return [ids, mask, segments, order, positions, labels, weights, np.ones(rows, np.float32), normalizers]


def random_weights(network: AlbertPreTraining) -> dict[str, np.ndarray]:
    random = np.random.RandomState(5)
    weights = {}
    for parameter in sorted(network.trainable_params(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        values = (centre + 0.05 * random.standard_normal(parameter.shape)).astype(np.float32)
        parameter.set_data(Tensor(values))
        weights[canonical_name(parameter.name)] = values
    return weights


def reference(config: NetworkConfig, weights: dict[str, np.ndarray], batch: list[np.ndarray]) -> dict:
    settings = config.model_dump(include=set(transformers.AlbertConfig().to_dict()) - {"dtype", "torch_dtype"})
    settings |= {"attn_implementation": "eager", "classifier_dropout_prob": 0.0}
    network = transformers.AlbertForPreTraining(transformers.AlbertConfig(**settings))
    parameters = dict(network.named_parameters())
    assert {huggingface_name(name) for name in weights} == set(parameters)
    with torch.no_grad():
        for name, values in weights.items():
            parameters[huggingface_name(name)].copy_(torch.from_numpy(values))
    ids, mask, segments, order, positions, labels, kept = (torch.from_numpy(item) for item in batch[:7])
    everywhere = torch.full(ids.shape, -100, dtype=torch.long)
    for row, column in kept.nonzero().tolist():
        everywhere[row, positions[row, column]] = int(labels[row, column])
    output = network(
        input_ids=ids.long(),
        attention_mask=mask.long(),
        token_type_ids=segments.long(),
        labels=everywhere,
        sentence_order_label=order.long().reshape(-1),
    )
    output.loss.backward()
    rows = torch.arange(len(ids)).reshape(-1, 1)
    return {
        "loss": output.loss.item(),
        "mlm": output.prediction_logits[rows, positions.long()].detach().numpy(),
        "sop": output.sop_logits.detach().numpy(),
        "gradients": {name: parameters[huggingface_name(name)].grad.numpy() for name in weights},
    }


def pretraining_differences(config: NetworkConfig, length: int) -> dict[str, float]:
    """Return the largest absolute difference of logits, losses and gradients, in graph mode."""
    ms.set_context(mode=ms.GRAPH_MODE)
    network = AlbertPreTraining(AlbertPreTrainingModel(config))
    weights = random_weights(network)
    batch = random_batch(config, rows=3, length=length, predictions=4)
    expected = reference(config, weights, batch)
    # A parity of zeros would be worth nothing. Softmax does not see a constant, so that the keys' biases have none.
    silent = [name for name, gradient in expected["gradients"].items() if abs(gradient).max() < 1e-7]
    assert all(name.endswith("key_layer.bias") for name in silent), silent
    inputs = [Tensor(item) for item in batch]
    mlm, sop = network.albert(*inputs[:3], inputs[4])
    parameters = network.trainable_params()
    (loss, figures), gradients = ms.value_and_grad(network, None, parameters, has_aux=True)(*inputs)
    parts = sum(float(part.asnumpy()) for part in figures[:2])
    return {
        "logits": max(
            abs(mlm.asnumpy() - expected["mlm"].reshape(mlm.shape)).max(), abs(sop.asnumpy() - expected["sop"]).max()
        ),
        "loss": max(abs(float(loss.asnumpy()) - expected["loss"]), abs(parts - expected["loss"])),
        "gradients": max(
            abs(gradient.asnumpy() - expected["gradients"][canonical_name(parameter.name)]).max()
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ),
    }
