from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from src.common.errors import CheckpointError, OutputError
from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, head_shapes, huggingface_name
from src.weights.huggingface import read_huggingface
from src.weights.huggingface_export import write_huggingface
from src.weights.huggingface_tokenizer import TokenizerFiles
from src.weights.safetensors_source import SafetensorsFile

CONFIG = NetworkConfig(
    seq_length=8,
    vocab_size=20,
    embedding_size=4,
    hidden_size=6,
    num_attention_heads=2,
    intermediate_size=10,
    num_hidden_layers=4,
    num_hidden_groups=2,
    inner_group_num=2,
    max_position_embeddings=8,
    hidden_act="gelu_new",
)


def weights_of(*heads: str) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = dict(backbone_shapes(CONFIG))
    for name, shape in head_shapes(CONFIG).items():
        if name.split(".")[0] in heads:
            shapes[name] = tuple(3 if size is None else size for size in shape)
    random = np.random.RandomState(4)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in sorted(shapes.items())}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)


def theirs(*heads: str) -> dict[str, np.ndarray]:
    return {huggingface_name(name): values for name, values in weights_of(*heads).items()}


@pytest.mark.parametrize(
    ("heads", "architecture"),
    [
        ((), "AlbertModel"),
        (("cls1", "cls2"), "AlbertForPreTraining"),
        (("cls1",), "AlbertForMaskedLM"),
        (("dense_1",), "AlbertForSequenceClassification"),
        (("dense1",), "AlbertForQuestionAnswering"),
        (("start_logits", "end_logits", "answer_class"), "AlbertModel"),
    ],
)
def test_a_folder_brings_the_weights_back(tmp_path: Path, heads: tuple[str, ...], architecture: str) -> None:
    written = write_huggingface(tmp_path / "new" / "hf", weights_of(*heads), CONFIG)
    assert written.architecture == architecture
    assert sorted(path.name for path in (tmp_path / "new" / "hf").iterdir()) == ["config.json", "model.safetensors"]
    read = read_huggingface(tmp_path / "new" / "hf")
    assert same(read.weights, weights_of(*heads))
    assert read.unexpected == ()
    assert read.config is not None
    assert read.config.network("") == CONFIG
    assert read.config.architecture == architecture
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["hf"]


def test_everyone_may_read_what_the_umask_allows(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_huggingface(tmp_path / "hf", weights_of(), CONFIG)
    finally:
        os.umask(umask)
    assert (tmp_path / "hf").stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "hf").iterdir()} == {0o640}


def test_labels_and_the_kind_of_classifier_are_written(tmp_path: Path) -> None:
    write_huggingface(
        tmp_path / "hf",
        weights_of("dense_1"),
        CONFIG,
        labels=("O", "B", "I"),
        architecture="AlbertForTokenClassification",
    )
    read = read_huggingface(tmp_path / "hf" / "model.safetensors")
    assert read.config is not None
    assert (read.config.labels, read.config.architecture) == (("O", "B", "I"), "AlbertForTokenClassification")


def test_heads_that_a_network_of_theirs_lacks_are_named(tmp_path: Path) -> None:
    written = write_huggingface(tmp_path / "hf", weights_of("dense_1", "cls2"), CONFIG)
    assert any("does not use cls2" in notice for notice in written.notices)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": ("a", "b")}, CheckpointError, "2 names of classes, and 3 outputs"),
        ({"architecture": "AlbertForQuestionAnswering"}, CheckpointError, "no head for AlbertForQuestionAnswering"),
        ({"network": CONFIG.model_copy(update={"vocab_size": 21})}, CheckpointError, "vocab_size is 20"),
        ({"network": CONFIG.model_copy(update={"inner_group_num": 3})}, CheckpointError, "missing"),
    ],
)
def test_what_does_not_fit_is_not_written(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"weights": weights_of("dense_1"), "network": CONFIG, **change}
    with pytest.raises(error, match=message):
        write_huggingface(tmp_path / "hf", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_another_shape_is_not_written(tmp_path: Path) -> None:
    weights = {**weights_of("cls1"), "cls1.dense.weight": np.zeros((6, 6), np.float32)}
    with pytest.raises(CheckpointError, match=r"cls1\.dense\.weight is \[6, 6\], the network needs \[4, 6\]"):
        write_huggingface(tmp_path / "hf", weights, CONFIG)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_huggingface(tmp_path / "hf", weights_of(), CONFIG)
    assert [path.name for path in (tmp_path / "hf").iterdir()] == ["mine.txt"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("src.weights.safetensors_writer.save_file", full)
    with pytest.raises(OutputError, match="no space left"):
        write_huggingface(tmp_path / "hf", weights_of(), CONFIG)
    assert list(tmp_path.iterdir()) == []


def wordpiece(folder: Path, count: int = 20) -> TokenizerFiles:
    tokens = ["[PAD]", "[UNK]", "x", "[CLS]", "[SEP]", "[MASK]", *(f"w{index}" for index in range(count - 6))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return TokenizerFiles(vocabulary=folder / "vocab.txt", do_lower_case=False)


def test_the_tokenizer_comes_along_in_both_directions(tmp_path: Path) -> None:
    write_huggingface(tmp_path / "hf", weights_of(), CONFIG, tokenizer=wordpiece(tmp_path))
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert (config["pad_token_id"], config["bos_token_id"], config["eos_token_id"]) == (0, 3, 4)
    read = read_huggingface(tmp_path / "hf")
    assert read.tokenizer == TokenizerFiles(vocabulary=tmp_path / "hf" / "vocab.txt", do_lower_case=False)


def test_a_vocabulary_larger_than_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="21 entries, the network 20"):
        write_huggingface(tmp_path / "hf", weights_of(), CONFIG, tokenizer=wordpiece(tmp_path, 21))


def test_shards_are_put_together(tmp_path: Path) -> None:
    weights = theirs("cls1", "cls2")
    names = sorted(weights)
    parts = {"one.safetensors": names[:9], "two.safetensors": names[9:]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    read = read_huggingface(tmp_path)
    assert same(read.weights, weights_of("cls1", "cls2"))
    assert len(read.files) == 2
    assert read.config is None
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"1 of 2 files that the index names are missing: two\.safetensors"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize("table", [{}, {"a": "../x.safetensors"}, {"a": 5}, [], None])
def test_a_damaged_index_is_refused(tmp_path: Path, table: object) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": table}))
    with pytest.raises(CheckpointError, match="index"):
        read_huggingface(path)


def test_the_tied_decoder_is_accepted_when_it_is_equal(tmp_path: Path) -> None:
    weights = theirs("cls1", "cls2")
    table = weights["albert.embeddings.word_embeddings.weight"]
    bias = weights.pop("predictions.bias")
    more = {
        "predictions.decoder.weight": table.copy(),
        "predictions.decoder.bias": bias,
        "albert.embeddings.position_ids": np.arange(8)[None],
        "lm_head.strange": np.zeros(1, np.float32),
    }
    save_file({**weights, **more}, tmp_path / "model.safetensors")
    read = read_huggingface(tmp_path)
    assert np.array_equal(read.weights["cls1.output_bias"], bias)
    assert read.unexpected == ("lm_head.strange",)
    more["predictions.decoder.weight"][1, 1] += 1
    save_file({**weights, **more}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="differs from albert_embedding_lookup"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize("head", ["cls1", "dense_1", "dense1"])
def test_a_network_without_a_pooler_gets_zeros_and_leaves_without_them(tmp_path: Path, head: str) -> None:
    weights = {name: values for name, values in theirs(head).items() if "pooler" not in name}
    save_file(weights, tmp_path / "model.safetensors")
    read = read_huggingface(tmp_path)
    assert not read.weights["dense.weight"].any()
    assert read.weights["dense.weight"].shape == (6, 6)
    assert any("has no pooler" in notice for notice in read.notices)
    architecture = {"cls1": "MaskedLM", "dense_1": "TokenClassification", "dense1": "QuestionAnswering"}[head]
    written = write_huggingface(tmp_path / "hf", read.weights, CONFIG, architecture=f"AlbertFor{architecture}")
    back = read_huggingface(written.files[1])
    assert same(back.weights, read.weights)
    source = SafetensorsFile(written.files[1])
    twin = {"predictions.decoder.bias": weights["predictions.bias"]} if head == "cls1" else {}
    assert same({name: source.read(name) for name in source.shapes()}, weights | twin)


def test_a_missing_pooler_of_a_classifier_is_not_made_up(tmp_path: Path) -> None:
    write_huggingface(tmp_path / "hf", weights_of("dense_1"), CONFIG)
    weights = {name: values for name, values in theirs("dense_1").items() if "pooler" not in name}
    save_file(weights, tmp_path / "hf" / "model.safetensors")
    assert "dense.weight" not in read_huggingface(tmp_path / "hf").weights


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("albert.pooler.bias", np.array([0, np.nan], np.float32), r"albert\.pooler\.bias holds values .* not finite"),
        ("pooler.bias", np.zeros(6, np.float32), "are the same parameter"),
    ],
)
def test_bad_values_and_repeated_names_are_refused(tmp_path: Path, name: str, values: np.ndarray, message: str) -> None:
    save_file({**theirs(), name: values}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=message):
        read_huggingface(tmp_path)


def test_other_models_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_huggingface(tmp_path / "none")
    with pytest.raises(CheckpointError, match="holds none of"):
        read_huggingface(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match="no file of HF"):
        read_huggingface(tmp_path / "notes.txt")
    save_file({"bert.encoder.layer.0.bias": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"not the weights of an ALBERT: bert\.encoder"):
        read_huggingface(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="type 'bert'"):
        read_huggingface(tmp_path)


def test_a_folder_with_a_hostile_or_cut_file_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'run'}",)

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"pooler.bias": Attack()}))
    with pytest.raises(CheckpointError, match="nothing of the file was run"):
        read_huggingface(tmp_path)
    assert not (tmp_path / "run").exists()
    save_file(theirs(), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:-3])
    with pytest.raises(CheckpointError, match="the header tells of"):
        read_huggingface(tmp_path)
