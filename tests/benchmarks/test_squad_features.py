from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.squad_features import Round, main, measure, parse, result_lines
from src.common.errors import ConfigError, DataError
from src.data.squad import SquadFile
from src.data.squad_features import SquadSettings


def test_the_sides_take_turns(tmp_path: Path) -> None:
    calls: list[str] = []
    data = SquadFile(tmp_path, "", "", (), ())

    def side(name: str) -> int:
        calls.append(name)
        return 7

    sides = {"a": lambda *_: side("a"), "b": lambda *_: side("b")}
    rounds = measure(data, SquadSettings(9), sides, 2)
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert {name: [row.windows for row in taken] for name, taken in rounds.items()} == {"a": [7, 7], "b": [7, 7]}


def test_lines_have_medians_spreads_and_the_ratio() -> None:
    ours = [Round(wall, wall / 2, 1100) for wall in (2.0, 1.0, 9.0)]
    lines = result_lines({"ours": ours, "peer": [Round(4.0, 4.0, 1000)] * 3})
    assert lines[1].split("  ")[0] == "ours"
    assert "1,100" in lines[1]
    assert "2.00 (1.00 to 9.00)" in lines[1]
    assert "1.00 (0.50 to 4.50)" in lines[1]
    assert lines[-1] == "ratio ours / peer: wall 0.50, processor 0.25 (below 1: faster)"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--repeats", "0"], "--repeats"),
        (["--doc_stride", "x"], "--doc_stride"),
        (["--max_seq_length", "195"], "set --max_seq_length above 195"),
        (["--nonsense"], "unknown option --nonsense"),
    ],
)
def test_wrong_options_are_refused(wrong: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(["--eval_json", "x.json", "--spm_model_file", "m", *wrong])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such SQuAD file"):
        main(["--eval_json", str(tmp_path / "none.json"), "--spm_model_file", "m"])


@pytest.mark.slow
def test_the_command_measures_both_sides(squad_file: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    arguments = ["--eval_json", str(squad_file), "--spm_model_file", str(model), "--repeats", "1"]
    assert main([*arguments, "--max_seq_length", "40", "--max_query_length", "20", "--doc_stride", "8"]) == 0
    shown = capsys.readouterr().out
    for part in ("processor  ", "transformers 4.", "1 passages, 2 questions, 40/20/8", "load at the end"):
        assert part in shown
    windows = {
        line[:22].strip(): int(line[22:].split()[0]) for line in shown.splitlines() if line.startswith(("ours", "HF"))
    }
    assert windows.keys() == {"ours", "HF fast tokenizer"}
    assert min(windows.values()) > 4
