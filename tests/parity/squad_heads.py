"""The heads of question answering beside HF transformers' ``AlbertForQuestionAnswering`` and XLNet's beam head.

HF's heads are masked here as this project's are. The beam differs from ``XLNetForQuestionAnswering`` in three points,
in which this project follows google-research/albert: answerability is trained on the expected start and not on the
gold one, results are log-probabilities, and ends stand start by start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
import torch
import transformers
from mindspore import Tensor, nn
from transformers.modeling_utils import PoolerAnswerClass, PoolerEndLogits, PoolerStartLogits

from src.config.sections import NetworkConfig
from src.model.heads import AlbertInference
from src.model.names import canonical_name, huggingface_name
from src.model.squad import FORBIDDEN_LOGIT, AlbertSquadModel
from src.model.squad_beam import AlbertSquadBeamModel
from src.model.squad_losses import AlbertSquad
from tests.parity.cases import small_config

SMALL = small_config(num_hidden_layers=3, num_hidden_groups=2, hidden_act="gelu_new")
_LENGTHS = ((12, 4), (10, 3), (12, 6))  # tokens of the row, and of [CLS] question [SEP]


@dataclass(frozen=True)
class Batch:
    """Inputs of the loss network; ``allowed`` is written out by hand and not computed as the network does."""

    arrays: list[np.ndarray]
    allowed: np.ndarray


def random_batch(config: NetworkConfig) -> Batch:
    """Return three rows: full, padded, and without an answer. Each window has five tokens at least."""
    random = np.random.RandomState(13)
    mask, segments, allowed = np.zeros((3, 3, 12), np.int32)
    for row, (length, question) in enumerate(_LENGTHS):
        mask[row, :length] = 1
        segments[row, question:length] = 1
        allowed[row, [0, *range(question, length - 1)]] = 1
    # HF gives row 0 of its table no gradient, so that id 0 is padding only.
    ids = random.randint(1, config.vocab_size, mask.shape).astype(np.int32) * mask
    positions = np.array([[5, 7, 0], [8, 8, 0]], np.int32)
    impossible, weights = np.array([0, 0, 1], np.float32), np.ones(3, np.float32)
    return Batch([ids, mask, segments, *positions, impossible, weights, np.array([3], np.float32)], allowed)


class TorchBeam(torch.nn.Module):
    """HF's backbone and HF's parts of the beam head."""

    def __init__(self, config: transformers.AlbertConfig) -> None:
        super().__init__()
        self.albert = transformers.AlbertModel(config, add_pooling_layer=False)
        self.start_logits = PoolerStartLogits(config)
        self.end_logits = PoolerEndLogits(config)
        self.answer_class = PoolerAnswerClass(config)


def _torch_network(kind: type, config: NetworkConfig, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    settings = config.model_dump(include=set(transformers.AlbertConfig().to_dict()) - {"dtype", "torch_dtype"})
    settings |= {"attn_implementation": "eager", "classifier_dropout_prob": 0.0, "num_labels": 2}
    network = kind(transformers.AlbertConfig(**settings))
    parameters = dict(network.named_parameters())
    pooler = {"albert.pooler.weight", "albert.pooler.bias"}
    assert {huggingface_name(name) for name in weights} == set(parameters) | pooler
    with torch.no_grad():
        for name, values in weights.items():
            if huggingface_name(name) not in pooler:
                assert parameters[huggingface_name(name)].shape == values.shape
                parameters[huggingface_name(name)].copy_(torch.from_numpy(values))
    return network


def _gradients(network: torch.nn.Module, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return gradients by canonical name; HF's network has no pooler, and the loss does not reach ours."""
    parameters = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    return {name: parameters.get(huggingface_name(name), np.zeros_like(values)) for name, values in weights.items()}


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [torch.from_numpy(item).long() for item in batch.arrays[:5]]


def two_logit_reference(
    config: NetworkConfig, weights: dict[str, np.ndarray], batch: Batch
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return outputs of HF, with the mask before its loss, and gradients."""
    network = _torch_network(transformers.AlbertForQuestionAnswering, config, weights)
    ids, mask, segments, start, end = _tensors(batch)
    output = network(input_ids=ids, attention_mask=mask, token_type_ids=segments)
    forbidden = torch.from_numpy(batch.allowed == 0)
    entropy = torch.nn.CrossEntropyLoss()
    logits = [item.masked_fill(forbidden, -1e30) for item in (output.start_logits, output.end_logits)]
    loss = (entropy(logits[0], start) + entropy(logits[1], end)) / 2
    loss.backward()
    scores = torch.stack((output.start_logits, output.end_logits), dim=2)[~forbidden]
    return {"logits": scores.detach().numpy(), "loss": loss.detach().numpy()}, _gradients(network, weights)


def beam_reference(
    config: NetworkConfig, weights: dict[str, np.ndarray], batch: Batch
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return every output of the beam head by name, the loss, and gradients."""
    network = _torch_network(TorchBeam, config, weights)
    ids, mask, segments, start, end = _tensors(batch)
    p_mask = torch.from_numpy(1 - batch.allowed).float()
    hidden = network.albert(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
    start_logits = network.start_logits(hidden, p_mask=p_mask)
    end_logits = network.end_logits(hidden, start_positions=start, p_mask=p_mask)
    expected = torch.einsum("blh,bl->bh", hidden, torch.softmax(start_logits, dim=-1))
    cls_logits = network.answer_class(hidden, start_states=expected, cls_index=torch.zeros(3, dtype=torch.long))
    entropy = torch.nn.CrossEntropyLoss()
    answer_loss = torch.nn.BCEWithLogitsLoss()(cls_logits, torch.from_numpy(batch.arrays[5]))
    span_loss = (entropy(start_logits, start) + entropy(end_logits, end)) / 2
    (span_loss + 0.5 * answer_loss).backward()
    found = _torch_beam(network, hidden, start_logits, p_mask)
    found |= {"cls_logits": cls_logits, "loss": span_loss + 0.5 * answer_loss}
    found |= {"span_loss": span_loss, "answer_loss": answer_loss}
    return {name: value.detach().numpy() for name, value in found.items()}, _gradients(network, weights)


def _torch_beam(
    network: TorchBeam, hidden: torch.Tensor, start_logits: torch.Tensor, p_mask: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the best starts and ends, as ``XLNetForQuestionAnswering`` finds them, with the starts before the ends."""
    rows, length, size = hidden.shape
    start_value, start_index = torch.topk(torch.log_softmax(start_logits, dim=-1), 5, dim=-1)
    states = torch.gather(hidden, -2, start_index.unsqueeze(-1).expand(-1, -1, size))
    states = states.unsqueeze(1).expand(-1, length, -1, -1)
    tokens = hidden.unsqueeze(2).expand_as(states)
    logits = network.end_logits(tokens, start_states=states, p_mask=p_mask.unsqueeze(-1))
    end_value, end_index = torch.topk(torch.log_softmax(logits, dim=1), 5, dim=1)
    return {
        "start_value": start_value,
        "start_index": start_index,
        "end_value": end_value.transpose(1, 2).reshape(rows, 25),
        "end_index": end_index.transpose(1, 2).reshape(rows, 25),
    }


def random_weights(network: nn.Cell) -> dict[str, np.ndarray]:
    random = np.random.RandomState(5)
    weights = {}
    for parameter in sorted(network.trainable_params(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        values = (centre + 0.2 * random.standard_normal(parameter.shape)).astype(np.float32)
        parameter.set_data(Tensor(values))
        weights[canonical_name(parameter.name)] = values
    return weights


def _our_outputs(head: str, outputs: Any, figures: tuple[Tensor, ...], batch: Batch) -> dict[str, np.ndarray]:
    """Return by the reference's names what the two networks computed beside the loss."""
    if head == "span":
        assert (outputs.asnumpy()[batch.allowed == 0] == FORBIDDEN_LOGIT).all()
        return {"logits": outputs.asnumpy()[batch.allowed == 1]}
    names = ("start_value", "start_index", "end_value", "end_index", "cls_logits")
    found = {name: value.asnumpy() for name, value in zip(names, outputs, strict=True)}
    return found | {"span_loss": figures[3].asnumpy(), "answer_loss": figures[4].asnumpy()}


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    return float((ours != theirs).sum() if name.endswith("index") else abs(ours - theirs).max())


def squad_differences(head: str, config: NetworkConfig, mode: int) -> dict[str, float]:
    """Return the largest absolute differences of the head ``span`` or ``beam``; of indices, how many differ."""
    ms.set_context(mode=mode)
    model = AlbertSquadModel(config) if head == "span" else AlbertSquadBeamModel(config)
    network, inference = AlbertSquad(model), AlbertInference(model)
    weights, batch = random_weights(network), random_batch(config)
    reference = two_logit_reference if head == "span" else beam_reference
    expected, expected_gradients = reference(config, weights, batch)
    # A parity of zeros would be worth nothing. Softmax does not see a constant, so that some shifts have none.
    silent = {name for name, gradient in expected_gradients.items() if abs(gradient).max() < 1e-6}
    assert all(name.startswith("dense.") or name.endswith((".bias", ".beta")) for name in silent), silent
    inputs = [Tensor(item) for item in batch.arrays]
    outputs = inference(*inputs[:3])
    parameters = network.trainable_params()
    (loss, figures), gradients = ms.value_and_grad(network, None, parameters, has_aux=True)(*inputs)
    found = {"loss": loss.asnumpy()} | _our_outputs(head, outputs, figures, batch)
    assert set(found) == set(expected)
    result = {name: _difference(name, found[name], theirs) for name, theirs in expected.items()}
    ours = {canonical_name(p.name): g.asnumpy() for p, g in zip(parameters, gradients, strict=True)}
    return result | {"gradients": max(_difference(n, ours[n], theirs) for n, theirs in expected_gradients.items())}
