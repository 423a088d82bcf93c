"""predict.py fill-mask beside HF's ``AlbertForMaskedLM`` on the same weights."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from tests.parity.cases import TOLERANCE

pytest.importorskip("torch", reason="parity with HF transformers needs torch")
pytest.importorskip("transformers", reason="parity needs transformers")


def test_probabilities_and_tokens_equal_huggingface(tmp_path: Path) -> None:
    import torch
    import transformers

    from src.data.masked_text import encode_masked
    from src.data.tokenization import load_tokenizer
    from src.model.names import canonical_name, huggingface_name
    from src.predict.mask_filler import MaskFiller
    from src.predict.model import checkpoint_model
    from src.predict.texts import GivenText
    from src.tasks.assets import read_task_description
    from tests.tasks.pretrain_runs import make_run, write_vocabulary

    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    ours = make_run(tmp_path / "run", vocabulary)
    description = read_task_description(tmp_path / "run" / "assets")
    settings = description.network_config().model_dump(include=set(transformers.AlbertConfig().to_dict()) - {"dtype"})
    reference = transformers.AlbertForMaskedLM(
        transformers.AlbertConfig(**settings, attn_implementation="eager")
    ).eval()
    parameters = dict(reference.named_parameters())
    weights = {huggingface_name(canonical_name(item.name)): item.asnumpy() for item in ours.get_parameters()}
    # HF's masked language model has no pooler and no sentence-order head.
    assert set(parameters) <= set(weights)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(weights[name]))

    ms.set_context(mode=ms.GRAPH_MODE)
    tokenizer = load_tokenizer(vocabulary)
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint_albert-best.ckpt"
    filler = MaskFiller(checkpoint_model(description, tokenizer, checkpoint), top_k=9)
    texts = ["the [MASK] film.", "un[MASK]ly [MASK] a good film", "[MASK]"]
    records = filler.predict([GivenText(text, "") for text in texts], batch_size=4)
    for text, record in zip(texts, records, strict=True):
        encoded = encode_masked(text, tokenizer)
        with torch.no_grad():
            logits = reference(torch.tensor([encoded.input_ids])).logits[0, encoded.positions]
        expected = torch.softmax(logits, dim=-1).numpy()
        for candidates, shares in zip(record["masks"], expected, strict=True):
            ids = [found["id"] for found in candidates]
            assert ids == (5 + np.argsort(-shares[5:])).tolist()
            assert abs(np.array([found["probability"] for found in candidates]) - shares[ids]).max() < TOLERANCE
