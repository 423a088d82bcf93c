"""Run this project's network and that of HF transformers on the same inputs.

Importing this module imports MindSpore, torch and transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.weights.huggingface import OUTPUT_BIAS, read_huggingface
from src.weights.own_outputs import Outputs, own_outputs
from src.weights.verify import Comparison

_ROWS, _LONGEST, _PADDING, _SEED = 2, 16, 3, 7
_BARE = "AlbertModel"


def compare_with_huggingface(folder: Path, weights: Mapping[str, np.ndarray], network: NetworkConfig) -> Comparison:
    """Return how far the outputs of both networks are apart.

    Where the tables of tokens differ in size, the ids and the logits of tokens are those that both have.

    Args:
        folder: A folder of HF transformers, loaded by its own code.
        weights: Arrays by canonical name, for this project's network.
        network: Its settings.

    Raises:
        CheckpointError: HF transformers cannot load the folder.
    """
    theirs = _load_theirs(folder)
    vocabulary = min(theirs.config.vocab_size, network.vocab_size)
    batch = _inputs(vocabulary, min(_LONGEST, network.max_position_embeddings), network.type_vocab_size)
    their_outputs = _their_outputs(theirs, batch)
    our_outputs = own_outputs(weights, network, batch)
    differences = {}
    for name, values in their_outputs.items():
        if name not in our_outputs:
            continue
        ours = our_outputs[name]
        if name == "masked tokens":
            values, ours = values[..., :vocabulary], ours[..., :vocabulary]
        differences[name] = _difference(ours, values)
    return Comparison(f"HF transformers {transformers.__version__}", differences)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest absolute difference, infinite where the sizes differ."""
    if first.size != second.size:
        return float("inf")
    return float(np.abs(first.reshape(-1) - second.reshape(-1)).max())


def _load_theirs(folder: Path) -> Any:
    """Return HF's network in the class that its configuration names, for evaluation."""
    try:
        config = transformers.AlbertConfig.from_pretrained(folder, local_files_only=True)
        name = (config.architectures or [_BARE])[0]
        architecture = getattr(transformers, name if name.startswith("Albert") else _BARE)
        network = architecture.from_pretrained(
            folder, local_files_only=True, torch_dtype=torch.float32, attn_implementation="eager"
        )
    except Exception as error:  # Its loaders raise whatever they meet.
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        fix = "see whether its own from_pretrained loads the folder, or take --verify false"
        raise CheckpointError(f"HF transformers cannot load it: {first_line}", str(folder), fix) from error
    if hasattr(network, "predictions"):
        _restore_output_bias(network, folder)
    return network.eval()


def _restore_output_bias(network: Any, folder: Path) -> None:
    """Give the bias of the MLM head its values: HF 4.46 reads zeros from a file that it wrote itself."""
    bias = read_huggingface(folder).weights.get(OUTPUT_BIAS)
    if bias is not None:
        with torch.no_grad():
            for parameter in (network.predictions.bias, network.predictions.decoder.bias):
                parameter.copy_(torch.from_numpy(bias))


def _inputs(vocabulary: int, length: int, segments: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, mask and segments int32 [2, T]; the second row has padding."""
    random = np.random.RandomState(_SEED)
    shape = (_ROWS, length)
    mask = np.ones(shape, np.int32)
    mask[1, max(1, length - _PADDING) :] = 0
    ids = random.randint(0, vocabulary, shape).astype(np.int32)
    return ids, mask, random.randint(0, min(2, segments), shape).astype(np.int32)


def _their_outputs(network: Any, batch: tuple[np.ndarray, ...]) -> Outputs:
    ids, mask, segments = (torch.from_numpy(values).long() for values in batch)
    if type(network).__name__ == "AlbertForMultipleChoice":
        # The rows as two choices of one question.
        ids, mask, segments = (values.unsqueeze(0) for values in (ids, mask, segments))
    with torch.no_grad():
        found = network(input_ids=ids, attention_mask=mask, token_type_ids=segments, output_hidden_states=True)
    outputs = {"hidden states": torch.stack(found.hidden_states)}
    for key, name in (("pooler_output", "pooled"), ("prediction_logits", "masked tokens"), ("sop_logits", "order")):
        if found.get(key) is not None:
            outputs[name] = found[key]
    if found.get("start_logits") is not None:
        outputs["answers"] = torch.stack([found["start_logits"], found["end_logits"]], dim=2)
    if found.get("logits") is not None:
        kinds = {"AlbertForMaskedLM": "masked tokens", "AlbertForTokenClassification": "classes of tokens"}
        outputs[kinds.get(type(network).__name__, "classes")] = found["logits"]
    return {name: values.numpy() for name, values in outputs.items()}
