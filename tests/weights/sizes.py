"""Take networks of HF transformers in every published size to a checkpoint of this project and back.

``python -m tests.weights.sizes``: HF's own code makes the networks with random weights and saves them; ``convert.py``
takes them in and out, each time beside HF's outputs. Prints the largest difference of any output and whether all
tensors came back equal to the bit; exit status 1 when not. xxlarge needs about 6 GB of memory.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.arguments import OneLineParser
from src.config.presets import preset
from src.weights.safetensors_source import SafetensorsFile
from src.weights.verify import LARGEST_DIFFERENCE

ROOT = Path(__file__).resolve().parents[2]
PRETRAINING = "AlbertForPreTraining"
FINE_TUNED = (
    "AlbertForSequenceClassification", "AlbertForTokenClassification", "AlbertForQuestionAnswering", "AlbertForMaskedLM"
)  # fmt: skip
SIZES = ("base", "large", "xlarge", "xxlarge")
# What HF 4.46 leaves out of its own file, and then reads zeros for.
SECOND_BIAS = "predictions.decoder.bias"
COLUMNS = f"{'size':9}{'class':34}{'parameters':>12}{'in':>10}{'out':>10}{'tensors equal':>16}{'s':>7}"


@dataclass(frozen=True)
class Outcome:
    """How a network came through.

    Attributes:
        parameters: Number of values that HF saved.
        differences: Largest difference of any output on the way in and on the way out.
        equal: Tensors that came back equal to the bit.
        tensors: Tensors that HF saved.
    """

    parameters: int
    differences: tuple[float, float]
    equal: int
    tensors: int

    @property
    def passed(self) -> bool:
        """Return whether nothing was lost."""
        return self.equal == self.tensors and all(value <= LARGEST_DIFFERENCE for value in self.differences)


def save_network(folder: Path, architecture: str, size: str, changes: dict[str, Any]) -> None:
    """Let HF's code make a network and save it, in a process of its own that gives its memory back."""
    keys = {**preset(size, "v2"), "hidden_act": "gelu_new", **changes}
    text = (
        "import sys, torch, transformers\n"
        "torch.manual_seed(1)\n"
        f"config = transformers.AlbertConfig(**{keys!r})\n"
        f"model = transformers.{architecture}(config)\n"
        "with torch.no_grad():\n"
        "    for parameter in model.parameters():\n"
        "        parameter.add_(0.02 * torch.randn_like(parameter))\n"
        "model.save_pretrained(sys.argv[1])\n"
    )
    run([sys.executable, "-c", text, str(folder)])


def run(command: Sequence[str]) -> str:
    """Run a command, which must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def convert(source: Path, target: Path) -> float:
    """Convert with HF's outputs beside ours; return the largest difference of any output."""
    script = str(ROOT / "convert_tf_ckpt" / "convert.py")
    printed = run([sys.executable, script, "--input", str(source), "--output", str(target), "--verify", "true"])
    line = next(line for line in printed.splitlines() if line.startswith("compared with"))
    return max(float(figure) for figure in re.findall(r"\d\.\d+e[-+]\d+", line))


def there_and_back(folder: Path, architecture: str, size: str, changes: dict[str, Any]) -> Outcome:
    """Return how a network came through; it is left in ``folder`` in three forms."""
    save_network(folder / "theirs", architecture, size, changes)
    differences = (
        convert(folder / "theirs", folder / "ours" / "w.ckpt"),
        convert(folder / "ours" / "w.ckpt", folder / "back"),
    )
    first, second = (SafetensorsFile(folder / name / "model.safetensors") for name in ("theirs", "back"))
    equal = sum(name in second.shapes() and first.read(name).tobytes() == second.read(name).tobytes()
                for name in first.shapes())  # fmt: skip
    # A file with more in it than HF's own is no round trip.
    foreign = set(second.shapes()) - set(first.shapes()) - {SECOND_BIAS}
    values = sum(first.read(name).size for name in first.shapes())
    return Outcome(values, differences, equal - len(foreign), len(first.shapes()))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = OneLineParser(prog="python -m tests.weights.sizes", description=__doc__)
    text = f"sizes, with commas between (default {','.join(SIZES)})"
    parser.add_argument("--sizes", default=",".join(SIZES), metavar="LIST", help=text)
    return parser.parse(argv)


def main(argv: Sequence[str]) -> int:
    """Print a line for each network and return the exit status."""
    sizes = parse(argv).sizes.split(",")
    print(COLUMNS, flush=True)
    passed = True
    for size in sizes:
        # The heads of fine-tuning do not depend on the size.
        for architecture in (PRETRAINING, *(FINE_TUNED if size == "base" else ())):
            start_s = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                outcome = there_and_back(Path(folder), architecture, size, {})
            passed = passed and outcome.passed
            cells = [f"{value:.1e}" for value in outcome.differences]
            equal = f"{outcome.equal} of {outcome.tensors}"
            line = f"{size:9}{architecture:34}{outcome.parameters:>12,}{cells[0]:>10}{cells[1]:>10}{equal:>16}"
            print(f"{line}{time.monotonic() - start_s:>7.0f}", flush=True)
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"allowed difference {LARGEST_DIFFERENCE:.0e}; most memory of a process {peak_gb:.1f} GB")
    print("ok" if passed else "NOT EQUAL")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
