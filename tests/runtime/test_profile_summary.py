from __future__ import annotations

from pathlib import Path

import pytest

from src.runtime.profile_summary import Launch, ProfiledUpdate, read_launches, summarize

MS = 1_000_000
UPDATES = [ProfiledUpdate(7, 0, 10 * MS, 100), ProfiledUpdate(8, 12 * MS, 32 * MS, 200)]


def test_shares_runs_and_what_is_outside() -> None:
    launches = [
        Launch("MatMul", "Default/MatMul-op0", 1 * MS, 4.0),
        # Beside the product before it: the time of both is counted once in what is busy.
        Launch("Add", "Default/Add-op0", 2 * MS, 1.0),
        Launch("MatMul", "Gradients/Default/MatMul-op1", 13 * MS, 6.0),
        # Of an evaluation between the updates.
        Launch("MatMul", "Default/MatMul-op9", 11 * MS, 50.0),
    ]
    summary = summarize(UPDATES, launches, "CPU")
    content = summary.content()
    assert content["ms_per_update"] == 15
    assert content["tokens_per_s"] == 10_000
    assert content["operators"][0] == {
        "operator": "MatMul",
        "ms_per_update": 5.0,
        "ms_forward": 2.0,
        "ms_backward": 3.0,
        "runs_per_update": 1.0,
        "share": pytest.approx(1 / 3),
    }
    assert (content["ms_in_operators"], content["ms_outside_operators"]) == (5, 10)
    assert content["ms_between_updates"] == 2
    assert summary.lines()[0] == "profile of updates 7 to 8 on CPU: 15.0 ms per update, 10000 tokens/s"
    assert any(line.split()[:3] == ["MatMul", "5.00", "33.3%"] for line in summary.lines())
    assert any(line.startswith("outside of operators") and "66.7%" in line for line in summary.lines())


def test_a_backward_pass_written_by_hand_is_told_from_the_forward_pass() -> None:
    launches = [
        Launch("MatMul", "Default/net-Net/dense-Linear/product-WeightProduct/MatMul-op0", 0, 1.0),
        Launch("MatMul", "Default/net-Net/dense-Linear/product-WeightProduct/backward-Cell/MatMul-op1", 0, 3.0),
    ]
    content = summarize(UPDATES[:1], launches, "CPU").content()
    assert (content["operators"][0]["ms_forward"], content["operators"][0]["ms_backward"]) == (1.0, 3.0)


def test_many_operators_end_in_a_line_for_the_others() -> None:
    launches = [Launch(f"Op{number}", "x", 0, 0.1) for number in range(20)]
    lines = summarize(UPDATES, launches, "CPU").lines()
    assert any(line.startswith("5 others") for line in lines)


def test_without_times_of_operators_the_summary_says_so() -> None:
    assert "no times of operators" in summarize(UPDATES[:1], [], "GPU").lines()[1]


def test_the_file_of_a_cpu(tmp_path: Path) -> None:
    folder = tmp_path / "vm_1_ascend_ms" / "FRAMEWORK"
    folder.mkdir(parents=True)
    name = "Gradients/Default/net/Grad_MatMul/MatMul-op12"
    text = f"{name};HostCpuOps;1795344181762799340,0.5,0 1795344181762799999,0.25,0 \nbroken\n"
    (folder / "cpu_op_execute_timestamp_0.txt").write_text(text)
    assert list(read_launches(tmp_path)) == [
        Launch("MatMul", name, 1795344181762799340, 0.5),
        Launch("MatMul", name, 1795344181762799999, 0.25),
    ]


def test_the_file_of_an_ascend(tmp_path: Path) -> None:
    folder = tmp_path / "ASCEND_PROFILER_OUTPUT"
    folder.mkdir()
    lines = ["Step ID,Name,Type,Start Time(us),Duration(us)", "1,MatMul-op1,MatMulV2,1795344181762799.5\t,12.5", ",,,,"]
    (folder / "kernel_details.csv").write_text("\n".join(lines))
    assert list(read_launches(tmp_path)) == [Launch("MatMulV2", "MatMul-op1", 1795344181762799500, 0.0125)]
