"""A small data set and a tiny model, so that training takes seconds."""

import pytest
from tests.world import OLD, world

from earnest.data.build import build
from earnest.data.render import Mixture
from earnest.train.nano import Shape
from earnest.train.sft import Recipe

MIX = Mixture(wordings=6, statement=1, unclaimed=1, pairs=10, contrast=1, crossed=2, unknown=10)


@pytest.fixture(scope="session")
def tiny():
    """Keyword arguments of a quick training."""
    return {
        "recipe": Recipe(epochs=2, batch=16, warmup=4),
        "shape": Shape(hidden=32, layers=1, heads=2, inner=64),
        "threads": 1,
    }


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """The folder of a small data set."""
    folder = tmp_path_factory.mktemp("dataset")
    build(*world(OLD, 10, 2, 1), None, folder, 0, mix=MIX)
    return folder
