"""Run ``predict.py serve``."""

from __future__ import annotations

import argparse
from functools import partial

from src.common.environment import package_versions
from src.common.log import setup_logging
from src.predict.loading import ModelSource, PredictSettings, check_use, load_predictor
from src.serve.options import settings_of
from src.serve.served import Answering, ServedModel
from src.serve.settings import ServeSettings

_PACKAGES = ("mindspore", "numpy")


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Args:
        options: Those of ``add_serve``.

    Raises:
        AlbertError: An option is wrong, the port is taken, or the model cannot be loaded.
    """
    settings = settings_of(options)
    setup_logging()
    # Before the port is taken: clients would wait for what never comes.
    check_use(ModelSource.of(vars(options)), options.serve_as, PredictSettings.of(vars(options)))
    from src.serve.server import PredictionServer

    PredictionServer(partial(load_served, options, settings), settings).run()
    return 0


def load_served(options: argparse.Namespace, settings: ServeSettings) -> tuple[Answering, ServedModel]:
    """Return the predictor that the options name, and what is told of it.

    Raises:
        AlbertError: It cannot be loaded.
    """
    source = ModelSource.of(vars(options))
    most = settings.max_candidates
    answers = PredictSettings.of({**vars(options), "top_k": most, "top_n": most})
    predictor = load_predictor(source, options.serve_as, answers)
    task = predictor.model.description
    return predictor, ServedModel(
        command=predictor.command,
        kind=task.kind,
        # The name alone: where it lies on the disk is nobody's business.
        name=(source.model or source.run_dir or options.run_dir).resolve().name,
        task_name=task.task_name,
        labels=task.labels,
        length=task.length,
        buckets=task.buckets,
        pairs=task.pairs,
        rows=predictor.model.rows,
        versions=package_versions(_PACKAGES),
    )
