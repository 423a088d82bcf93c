from __future__ import annotations

import dataclasses
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError, OutputError
from src.data import squad_cache
from src.data.squad import SquadFile, read_squad
from src.data.squad_cache import cache_place, check_cache, features_of
from src.data.squad_features import SquadFeatures, SquadSettings
from src.data.tokenization import Tokenizer, load_tokenizer
from tests.data.squad_record_samples import asked, squad_json, write_vocabulary

_SETTINGS = SquadSettings(16, 6, 4)
Build = Callable[..., SquadFeatures]


def build(path: Path, *given: Any) -> tuple[SquadFile, SquadFeatures]:
    data = read_squad(path)
    return data, features_of(data, *given)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return load_tokenizer(vocab_file_path=write_vocabulary(tmp_path / "vocab.txt"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every time that features are made."""
    made: list[str] = []
    build = squad_cache.build_features

    def noted(*arguments: Any, **options: Any) -> SquadFeatures:
        made.append("made")
        return build(*arguments, **options)

    monkeypatch.setattr(squad_cache, "build_features", noted)
    return made


def _arrays(features: SquadFeatures) -> dict[str, np.ndarray]:
    return {name: values for name, values in vars(features).items() if isinstance(values, np.ndarray)}


def _assert_equal(first: SquadFeatures, second: SquadFeatures) -> None:
    assert (first.settings, first.skipped) == (second.settings, second.skipped)
    assert len(_arrays(first)) == len(dataclasses.fields(SquadFeatures)) - len(squad_cache._NO_ARRAYS)
    for name, values in _arrays(first).items():
        np.testing.assert_array_equal(values, _arrays(second)[name])
        assert values.dtype == _arrays(second)[name].dtype


def test_features_are_made_once(tmp_path: Path, tokenizer: Tokenizer, built: list[str]) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "new" / "dev.npz"
    told: list[int] = []
    data, first = build(path, tokenizer, _SETTINGS, cache, told.append)
    again, second = build(path, tokenizer, _SETTINGS, cache, told.append)
    assert (len(built), sum(told), data) == (1, 3, again)
    assert not first.is_impossible.any()
    _assert_equal(first, second)
    assert [file.name for file in cache.parent.iterdir()] == ["dev.npz"]


def test_without_a_cache_nothing_is_kept(tmp_path: Path, tokenizer: Tokenizer, built: list[str]) -> None:
    path = squad_json(tmp_path / "dev.json")
    before = sorted(tmp_path.iterdir())
    build(path, tokenizer, _SETTINGS)
    build(path, tokenizer, _SETTINGS)
    assert len(built) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_gets_a_file_for_each_key(tmp_path: Path, tokenizer: Tokenizer, built: list[str]) -> None:
    path, folder = squad_json(tmp_path / "dev.json"), tmp_path / "cache"
    folder.mkdir()
    for _ in range(2):
        for stride in (3, 4):
            build(path, tokenizer, SquadSettings(16, 6, stride), folder)
    assert len(built) == 2
    assert len(list(folder.glob("squad_features_*.npz"))) == 2 == len(list(folder.iterdir()))


@pytest.mark.parametrize("change", ["json", "vocabulary", "case", "length", "query", "stride", "version"])
def test_whatever_decides_the_features_makes_them_anew(
    tmp_path: Path,
    tokenizer: Tokenizer,
    built: list[str],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "dev.npz"
    build(path, tokenizer, _SETTINGS, cache)
    settings, vocab = _SETTINGS, tmp_path / "vocab.txt"
    if change == "json":
        squad_json(path, [asked("q", "who ?", "Ann", 0)])
    elif change == "vocabulary":
        write_vocabulary(vocab, "more")
    elif change == "version":
        monkeypatch.setattr(squad_cache, "_FORMAT_VERSION", squad_cache._FORMAT_VERSION + 1)
    elif change != "case":
        name = {"length": "max_seq_length", "query": "max_query_length", "stride": "doc_stride"}[change]
        settings = dataclasses.replace(settings, **{name: getattr(settings, name) - 1})
    other = load_tokenizer(vocab_file_path=vocab, do_lower_case=change != "case")
    # What an earlier test set the level to may have let through more.
    caplog.clear()
    with caplog.at_level(logging.INFO):
        _, wanted = build(path, other, settings, cache)
    assert [record.getMessage() for record in caplog.records] == [
        f"{cache}: the cache is of another json file, vocabulary or setting; the features are made anew"
    ]
    _, kept = build(path, other, settings, cache)
    assert len(built) == 2
    _assert_equal(wanted, kept)


def test_the_name_of_the_vocabulary_and_of_the_json_decide_nothing(
    tmp_path: Path, tokenizer: Tokenizer, built: list[str]
) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "dev.npz"
    build(path, tokenizer, _SETTINGS, cache)
    path.rename(tmp_path / "other.json")
    (tmp_path / "vocab.txt").rename(tmp_path / "other.txt")
    other = load_tokenizer(vocab_file_path=tmp_path / "other.txt")
    build(tmp_path / "other.json", other, _SETTINGS, cache)
    assert len(built) == 1


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:2],
        lambda data: data[:20],
        lambda data: data[:45],
        lambda data: data[:200],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: _flipped(data, 250),
        lambda data: _flipped(data, len(data) // 2),
        lambda data: _flipped(data, len(data) - 40),
        lambda data: data[:100] + bytes(len(data) - 100),
    ],
)
def test_a_damaged_cache_is_replaced(
    tmp_path: Path, tokenizer: Tokenizer, built: list[str], damage: Callable[[bytes], bytes]
) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "dev.npz"
    _, first = build(path, tokenizer, _SETTINGS, cache)
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    _, second = build(path, tokenizer, _SETTINGS, cache)
    assert len(built) == 2
    _assert_equal(first, second)
    assert len(cache.read_bytes()) == len(whole)


def test_no_damage_of_a_byte_gives_other_features(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "dev.npz"
    _, first = build(path, tokenizer, _SETTINGS, cache)
    whole = cache.read_bytes()
    # The 55 bytes before tell that the file is ours.
    for place in range(55, len(whole), 211):
        cache.write_bytes(_flipped(whole, place))
        _, second = build(path, tokenizer, _SETTINGS, cache)
        _assert_equal(first, second)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_the_old_code_is_never_opened(tmp_path: Path, tokenizer: Tokenizer, protocol: int) -> None:
    path, old = squad_json(tmp_path / "dev.json"), tmp_path / "features.pkl"
    mark = tmp_path / "opened"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (mark,)

    old.write_bytes(pickle.dumps([Trap()], protocol))
    before = old.read_bytes()
    with pytest.raises(DataError, match=r"features\.pkl: this is a pickle file of the old code.*name a file"):
        build(path, tokenizer, _SETTINGS, old)
    assert old.read_bytes() == before
    assert not mark.exists()


def test_pickled_objects_inside_a_cache_are_never_opened(
    tmp_path: Path, tokenizer: Tokenizer, built: list[str]
) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "dev.npz"
    mark = tmp_path / "opened"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (mark,)

    with cache.open("wb") as stream:
        np.savez(stream, squad_features_header=np.array([Trap()], dtype=object))
    build(path, tokenizer, _SETTINGS, cache)
    assert len(built) == 1
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"{}", b"(lp0\n.", b"PK\x03\x04" + b"\0" * 26 + b"other.npy" + b"\0" * 30])
def test_other_files_are_kept(tmp_path: Path, tokenizer: Tokenizer, content: bytes) -> None:
    path, other = squad_json(tmp_path / "dev.json"), tmp_path / "precious"
    other.write_bytes(content)
    with pytest.raises(DataError, match="precious: the file is no cache of features"):
        build(path, tokenizer, _SETTINGS, other)
    assert other.read_bytes() == content


def test_the_json_given_as_cache_is_kept(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = squad_json(tmp_path / "dev.json")
    before = path.read_bytes()
    with pytest.raises(DataError, match="no cache of features"):
        build(path, tokenizer, _SETTINGS, path)
    assert path.read_bytes() == before


def test_a_failed_write_keeps_the_old_cache(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = squad_json(tmp_path / "dev.json"), tmp_path / "cache" / "dev.npz"
    build(path, tokenizer, _SETTINGS, cache)
    before = cache.read_bytes()

    def interrupted(stream: Any, **_: object) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(OutputError, match="no space left"):
        build(path, tokenizer, SquadSettings(16, 6, 5), cache)
    assert [file.name for file in cache.parent.iterdir()] == ["dev.npz"]
    assert cache.read_bytes() == before


def test_places(tmp_path: Path) -> None:
    assert cache_place(tmp_path / "x.npz", "0123456789abcdef0123") == tmp_path / "x.npz"
    assert cache_place(tmp_path, "0123456789abcdef0123") == tmp_path / "squad_features_0123456789abcdef.npz"
    check_cache(tmp_path / "not there")
    with pytest.raises(DataError, match="cannot read"):
        check_cache(tmp_path)
