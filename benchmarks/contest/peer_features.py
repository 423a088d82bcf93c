"""The peer's side of the making of SQuAD features: the steps of Hugging Face's ``run_qa.py``.

It runs in an environment of its own (``requirements-peers.txt``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.contest.features_case import PEER_QUESTIONS, PEER_TOKENIZER, FeaturesCase
from benchmarks.contest.worker import Step, serve
from benchmarks.run_qa_windows import load_fast_tokenizer, make_windows
from src.common.environment import package_versions


def prepare(case: FeaturesCase) -> Step:
    """Read questions and tokenizer; return what makes all windows and returns their number."""
    content = json.loads((Path(case.folder) / PEER_QUESTIONS).read_text(encoding="utf-8"))
    questions = [(name, text) for name, text, _ in content["questions"]]
    contexts = [content["contexts"][number] for _, _, number in content["questions"]]
    tokenizer = load_fast_tokenizer(Path(case.folder) / PEER_TOKENIZER, case.cores)
    return lambda: float(make_windows(tokenizer, questions, contexts, case.max_seq_length, case.doc_stride))


def versions() -> dict[str, str]:
    """Return the versions of what works."""
    return {name: version or "?" for name, version in package_versions(("tokenizers", "transformers")).items()}


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], FeaturesCase, prepare, versions))
