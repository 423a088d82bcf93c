"""Run a case through this project's network."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from src.model.heads import AlbertCLSModel, AlbertNERModel
from src.model.losses import AlbertCLS
from src.model.names import canonical_name
from tests.parity.cases import Case, Outcome


class Forward(nn.Cell):
    """Hidden states of all layers, pooled output and logits."""

    def __init__(self, model: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.model = model

    def construct(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        states = self.model.albert.hidden_states(ids, segments, mask)
        _, pooled = self.model.albert(ids, segments, mask)
        return states, pooled, self.model(ids, mask, segments)


def build(case: Case, weights: dict[str, np.ndarray]) -> AlbertCLS:
    head = AlbertNERModel if case.kind == "token_classification" else AlbertCLSModel
    network = AlbertCLS(head(case.config, case.num_labels), case.kind)
    parameters = {canonical_name(parameter.name): parameter for parameter in network.get_parameters()}
    assert set(parameters) == set(weights)
    for name, parameter in parameters.items():
        parameter.set_data(Tensor(weights[name], parameter.dtype))
    return network


def our_outcome(case: Case, weights: dict[str, np.ndarray], batch: dict[str, np.ndarray], mode: int) -> Outcome:
    ms.set_context(mode=mode)
    network = build(case, weights)
    inputs = [Tensor(values) for values in batch.values()]
    states, pooled, logits = Forward(network.albert)(*inputs[:3])
    network.set_train(True)
    parameters = network.trainable_params()
    (loss, _), gradients = ms.value_and_grad(network, None, parameters, has_aux=True)(*inputs)
    return Outcome(
        hidden_states=[state.asnumpy() for state in states],
        pooled=pooled.asnumpy(),
        logits=logits.asnumpy(),
        loss=loss.asnumpy(),
        gradients={canonical_name(p.name): g.asnumpy() for p, g in zip(parameters, gradients, strict=True)},
    )
