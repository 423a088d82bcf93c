"""Damage folders and models at random: no run may crash, hang, or leave a part of the results."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.ascend310_infer.application import Work

# More cases: ALBERT_FUZZ_CASES=400 python -m pytest tests/ascend310_infer/test_fuzz.py -s
CASES = int(os.environ.get("ALBERT_FUZZ_CASES", "24"))


def _any_file(work: Work, chance: random.Random) -> Path:
    return chance.choice(sorted(path for path in work.folder.glob("0?_data/*.bin") if path.is_file()))


def _truncate(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    path.write_bytes(path.read_bytes()[: chance.randrange(512)])


def _extend(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    path.write_bytes(path.read_bytes() + chance.randbytes(chance.randrange(1, 2000)))


def _random_bytes(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    path.write_bytes(chance.randbytes(len(path.read_bytes())))


def _extreme_values(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    values = np.fromfile(path, "<i4") if path.stat().st_size % 4 == 0 else np.zeros(0, "<i4")
    for place in chance.sample(range(len(values)), min(len(values), 20)):
        values[place] = chance.choice((-(2**31), -1, 204, 2**31 - 1, chance.randrange(-300, 300)))
    values.tofile(path)


def _remove(work: Work, chance: random.Random) -> None:
    _any_file(work, chance).unlink()


def _rename(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    path.rename(path.with_name(os.fsdecode(chance.randbytes(3).replace(b"/", b"x").replace(b"\0", b"y") + b".bin")))


def _copy(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    shutil.copy(path, path.with_name("copy" * chance.randrange(1, 60) + ".bin"))


def _replace_by_folder(work: Work, chance: random.Random) -> None:
    path = _any_file(work, chance)
    path.unlink()
    path.mkdir()


def _link(work: Work, chance: random.Random) -> None:
    path, other = _any_file(work, chance), _any_file(work, chance)
    path.unlink()
    path.symlink_to(other)


def _swap_folders(work: Work, chance: random.Random) -> None:
    first, second = chance.sample(("00_data", "01_data", "02_data"), 2)
    (work.folder / first).rename(work.folder / "away")
    (work.folder / second).rename(work.folder / first)
    (work.folder / "away").rename(work.folder / second)


def _damage_model(work: Work, chance: random.Random) -> None:
    path = work.folder / "model.mindir"
    content = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 30)):
        # The graph is the end of the file; the weights before it are taken as they are.
        content[-chance.randrange(1, 60000)] = chance.randrange(256)
    path.write_bytes(content)


def _truncate_model(work: Work, chance: random.Random) -> None:
    path = work.folder / "model.mindir"
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


FOLDERS: list[Callable[[Work, random.Random], None]] = [
    *(_truncate, _extend, _random_bytes, _extreme_values, _remove, _rename, _copy, _replace_by_folder, _link),
    _swap_folders,
]
MODEL: list[Callable[[Work, random.Random], None]] = [_damage_model, _truncate_model]


def check_left(work: Work, status: int) -> None:
    """Check that there is everything or nothing."""
    assert not list(work.results.glob(".unfinished*"))
    if status != 0:
        assert not work.results.exists() or not list(work.results.iterdir())
        return
    described = json.loads((work.results / "results.json").read_text(encoding="utf-8"))
    names = {f"{batch}_0.bin" for batch in described["files"]}
    assert {path.name for path in work.results.iterdir()} == names | {"results.json"}
    assert names == {f"{path.stem}_0.bin" for path in (work.folder / "00_data").glob("*.bin")}
    assert all((work.results / name).stat().st_size == 4 * 2 * 4 for name in names)


def test_random_damage(classifier: Work) -> None:
    counts: dict[int, int] = {}
    for case in range(CASES):
        chance = random.Random(case)
        work = Work(classifier.folder / str(case), classifier.application, Path("model.mindir"), classifier.shapes)
        work.folder.mkdir()
        shutil.copy(classifier.model, work.folder / "model.mindir")
        work.write("a", "b", seed=case)
        kinds = [chance.choice(MODEL)] if case % 6 == 5 else chance.choices(FOLDERS, k=chance.choice((1, 1, 1, 2)))
        for damage in kinds:
            damage(work, chance)
        ended = work.run()
        counts[ended.status] = counts.get(ended.status, 0) + 1
        assert ended.status in (0, 2, 3), (case, kinds, ended)
        assert ended.err == "" if ended.status == 0 else ended.error, (case, kinds, ended)
        check_left(work, ended.status)
        shutil.rmtree(work.folder)
    print(f"exit statuses of {CASES} cases: {dict(sorted(counts.items()))}")
