"""HF transformers' folders in and out: what its own code writes, reads and computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.sections import NetworkConfig
from src.model.names import canonical_of_huggingface
from src.weights.coverage import coverage
from src.weights.huggingface import read_huggingface
from src.weights.huggingface_export import write_huggingface
from src.weights.huggingface_tokenizer import TokenizerFiles
from src.weights.safetensors_source import SafetensorsFile

torch = pytest.importorskip("torch", reason="parity with HF transformers needs torch")
transformers = pytest.importorskip("transformers", reason="parity needs transformers")

ARCHITECTURES = (
    "AlbertModel",
    "AlbertForPreTraining",
    "AlbertForMaskedLM",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertForQuestionAnswering",
    "AlbertForMultipleChoice",
)
LABELLED = ("AlbertForSequenceClassification", "AlbertForTokenClassification")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def new_model(architecture: str, **changes: Any) -> Any:
    torch.manual_seed(11)
    labels = {"num_labels": 3} if architecture in LABELLED else {}
    sizes = {
        "vocab_size": 50,
        "embedding_size": 8,
        "hidden_size": 24,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 16,
        "num_hidden_groups": 2,
        "inner_group_num": 2,
        "classifier_dropout_prob": 0.3,
    }
    config = transformers.AlbertConfig(**{**sizes, **labels, **changes})
    model = getattr(transformers, architecture)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def outputs(model: Any) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(5)
    shape = (2, 2, 9) if type(model).__name__ == "AlbertForMultipleChoice" else (2, 9)
    ids = torch.randint(5, 50, shape, generator=generator)
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=(ids > 8).long(), token_type_ids=(ids % 2))
    return [value.numpy() for value in found.to_tuple() if value is not None]


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_goes_in_and_out_bit_equal(tmp_path: Path, architecture: str, safe: bool) -> None:
    model = new_model(architecture)
    model.save_pretrained(tmp_path / "theirs", safe_serialization=safe)
    read = read_huggingface(tmp_path / "theirs")
    assert read.config is not None
    assert read.unexpected == ()
    network = read.config.network("")
    coverage(read.weights, network, "").require_backbone()
    parameters = {canonical_of_huggingface(name): value.numpy() for name, value in model.state_dict().items()}
    parameters.pop(None, None)
    made_up = set(read.weights) - set(parameters)
    assert made_up in (set(), {"dense.weight", "dense.bias"})
    assert all(np.array_equal(read.weights[name], values) for name, values in parameters.items())

    write_huggingface(tmp_path / "ours", read.weights, network, architecture=architecture)
    if safe:
        first, second = (SafetensorsFile(tmp_path / part / "model.safetensors") for part in ("theirs", "ours"))
        # HF reads zeros for the bias of the MLM head unless it is there under both of its names.
        assert set(second.shapes()) - set(first.shapes()) <= {"predictions.decoder.bias"}
        assert set(first.shapes()) <= set(second.shapes())
        assert all(np.array_equal(first.read(name), second.read(name)) for name in first.shapes())
    back, info = getattr(transformers, architecture).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert all(not names for names in info.values()), info
    assert all(np.array_equal(a, b) for a, b in zip(outputs(model), outputs(back.eval()), strict=True))
    kept = ("classifier_dropout_prob", "hidden_act", "num_labels", "inner_group_num", "layer_norm_eps")
    assert {key: getattr(back.config, key) for key in kept} == {key: getattr(model.config, key) for key in kept}


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_the_activation_survives(tmp_path: Path, hidden_act: str) -> None:
    model = new_model("AlbertModel", hidden_act=hidden_act)
    model.save_pretrained(tmp_path / "theirs")
    read = read_huggingface(tmp_path / "theirs")
    assert read.config is not None
    write_huggingface(tmp_path / "ours", read.weights, read.config.network(""))
    back = transformers.AlbertModel.from_pretrained(tmp_path / "ours")
    assert np.array_equal(outputs(back.eval())[0], outputs(model)[0])


def test_shards_that_huggingface_writes(tmp_path: Path) -> None:
    model = new_model("AlbertForPreTraining")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    read = read_huggingface(tmp_path)
    assert len(read.files) > 1
    assert np.array_equal(read.weights["cls1.dense.weight"], model.predictions.dense.weight.detach().numpy())


def test_labels_become_those_of_huggingface(tmp_path: Path) -> None:
    model = new_model("AlbertForSequenceClassification")
    model.save_pretrained(tmp_path / "theirs")
    read = read_huggingface(tmp_path / "theirs")
    assert read.config is not None
    names = ("contradiction", "entailment", "neutral")
    write_huggingface(tmp_path / "ours", read.weights, read.config.network(""), labels=names)
    back = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours")
    assert back.config.id2label == dict(enumerate(names))
    assert back.config.label2id["neutral"] == 2


@pytest.mark.shared
@pytest.mark.parametrize("lower", [True, False])
def test_the_tokenizers_of_huggingface_load(tmp_path: Path, shared_data: Path, lower: bool) -> None:
    network = NetworkConfig(embedding_size=2, hidden_size=4, num_attention_heads=2, intermediate_size=4)
    weights = read_small(tmp_path, network)
    english = TokenizerFiles(spm_model=shared_data / "albert_en" / "30k-clean.model", do_lower_case=lower)
    write_huggingface(tmp_path / "en", weights, network, tokenizer=english)
    tokenizer = transformers.AlbertTokenizer.from_pretrained(tmp_path / "en")
    assert (tokenizer.do_lower_case, tokenizer.model_max_length) == (lower, 512)
    ids = tokenizer("This is a [MASK] test")["input_ids"]
    ours = english.load()
    text = ours.encode("This is a")
    assert ids == [ours.cls_id, *text, ours.mask_id, *ours.encode("test"), ours.sep_id]
    special = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.mask_token_id)
    assert special == (ours.pad_id, ours.unk_id, ours.cls_id, ours.mask_id)
    assert isinstance(transformers.AutoTokenizer.from_pretrained(tmp_path / "en"), transformers.PreTrainedTokenizerBase)
    loaded = transformers.AutoModel.from_pretrained(tmp_path / "en")
    assert loaded.config.pad_token_id == 0


@pytest.mark.shared
def test_a_chinese_vocabulary_becomes_a_wordpiece_tokenizer(tmp_path: Path, shared_data: Path) -> None:
    network = NetworkConfig(
        vocab_size=21128, embedding_size=2, hidden_size=4, num_attention_heads=2, intermediate_size=4
    )
    weights = read_small(tmp_path, network)
    chinese = TokenizerFiles(vocabulary=shared_data / "albert_zh" / "vocab.txt")
    write_huggingface(tmp_path / "zh", weights, network, tokenizer=chinese)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "zh")
    ours = chinese.load()
    assert tokenizer("今天天气很好 Good")["input_ids"] == [ours.cls_id, *ours.encode("今天天气很好 Good"), ours.sep_id]
    assert transformers.AutoConfig.from_pretrained(tmp_path / "zh").eos_token_id == ours.sep_id


def read_small(folder: Path, network: NetworkConfig) -> dict[str, np.ndarray]:
    shape = {key: getattr(network, key) for key in ("vocab_size", "embedding_size", "hidden_size", "intermediate_size")}
    config = transformers.AlbertConfig(**shape, num_attention_heads=2)
    transformers.AlbertModel(config).save_pretrained(folder / "small")
    return read_huggingface(folder / "small").weights
