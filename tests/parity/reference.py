"""Run a case through HF transformers on PyTorch."""

from __future__ import annotations

import numpy as np
import torch
import transformers

from src.model.names import huggingface_name
from tests.parity.cases import Case, Outcome

# Google computes the tanh form for both names, HF the exact form for "gelu".
_ACTIVATIONS = {"gelu": "gelu_new", "gelu_new": "gelu_new", "gelu_erf": "gelu", "relu": "relu"}
_PROBLEMS = {"classification": "single_label_classification", "regression": "regression"}


def _network(case: Case) -> torch.nn.Module:
    config = case.config
    reference_config = transformers.AlbertConfig(
        vocab_size=config.vocab_size,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_hidden_groups=config.num_hidden_groups,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        inner_group_num=config.inner_group_num,
        hidden_act=_ACTIVATIONS[config.hidden_act],
        hidden_dropout_prob=config.hidden_dropout_prob,
        attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        classifier_dropout_prob=config.classifier_dropout_prob,
        max_position_embeddings=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        layer_norm_eps=config.layer_norm_eps,
        num_labels=case.num_labels,
        problem_type=_PROBLEMS.get(case.kind),
        attn_implementation="eager",
    )
    if case.kind == "token_classification":
        return transformers.AlbertForTokenClassification(reference_config)
    return transformers.AlbertForSequenceClassification(reference_config)


def reference_outcome(case: Case, weights: dict[str, np.ndarray], batch: dict[str, np.ndarray]) -> Outcome:
    network = _network(case)
    parameters = dict(network.named_parameters())
    names = {name: huggingface_name(name) for name in weights}
    assert set(parameters) <= set(names.values())
    with torch.no_grad():
        for name, theirs in names.items():
            if theirs in parameters:
                assert parameters[theirs].shape == weights[name].shape
                parameters[theirs].copy_(torch.from_numpy(weights[name]))
    pooled: list[torch.Tensor] = []
    if network.albert.pooler is not None:
        network.albert.register_forward_hook(lambda module, inputs, output: pooled.append(output.pooler_output))
    labels = torch.from_numpy(batch["label_ids"])
    output = network(
        input_ids=torch.from_numpy(batch["input_ids"]).long(),
        attention_mask=torch.from_numpy(batch["input_mask"]).long(),
        token_type_ids=torch.from_numpy(batch["segment_ids"]).long(),
        labels=labels if case.kind == "regression" else labels.long(),
        output_hidden_states=True,
    )
    output.loss.backward()
    # A parameter that HF's network lacks (the pooler of token classification) takes no part in the loss.
    gradients = {
        name: parameters[theirs].grad.numpy() if theirs in parameters else np.zeros_like(weights[name])
        for name, theirs in names.items()
    }
    return Outcome(
        hidden_states=[state.detach().numpy() for state in output.hidden_states],
        pooled=pooled[0].detach().numpy() if pooled else None,
        logits=output.logits.detach().numpy(),
        loss=output.loss.detach().numpy(),
        gradients=gradients,
    )
