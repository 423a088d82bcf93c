"""Our side of the making of SQuAD features."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.contest.features_case import FeaturesCase
from benchmarks.contest.worker import Step, serve
from benchmarks.squad_features import our_featurize
from src.common.environment import package_versions
from src.data.squad import read_squad
from src.data.squad_features import SquadSettings


def prepare(case: FeaturesCase) -> Step:
    """Read file and model; return what makes all windows and returns their number."""
    data = read_squad(Path(case.squad_json))
    featurize = our_featurize(Path(case.spm_model_file))
    settings = SquadSettings(case.max_seq_length, case.max_query_length, case.doc_stride)
    return lambda: float(featurize(data, settings))


def versions() -> dict[str, str]:
    """Return the versions of what works."""
    return {name: version or "?" for name, version in package_versions(("sentencepiece", "numpy")).items()}


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], FeaturesCase, prepare, versions))
