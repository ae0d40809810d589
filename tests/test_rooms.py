"""The two packages of the project, side by side."""

from pathlib import Path

import convdip
import convdip_training


def test_no_module_name_occurs_in_both_packages():
    """A reader who meets a module's name knows which package it belongs to."""
    live, laboratory = (
        {path.stem for path in Path(str(package.__file__)).parent.rglob("*.py")}
        for package in (convdip, convdip_training)
    )
    assert {"imager", "head"} <= live
    assert {"simulate", "forward"} <= laboratory
    assert live & laboratory == {"__init__", "__main__"}
