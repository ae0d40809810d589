"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import convdip
import convdip_training
import numpy as np
import pytest


def modules_with_examples() -> list[str]:
    found = []
    for package in (convdip, convdip_training):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(root.parent).with_suffix("").parts
                found.append(".".join(parts).removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(name, shipped):
    # What a reader has: a stream's labels and units, and some of its samples.
    rng = np.random.default_rng(0)
    given = {
        "labels": shipped.head.channels,
        "units": ["microvolts"] * 31,
        "samples": (rng.standard_normal((5, 31)) * 20).astype(np.float32),
        "timestamps": np.arange(5.0),
    }
    failed, attempted = doctest.testmod(importlib.import_module(name), extraglobs=given)
    assert attempted > 0
    assert failed == 0
