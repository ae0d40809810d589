"""Whose head it is: the template, fsaverage or a FreeSurfer subject, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mne
from convdip.errors import ConfigError

from convdip_training.anatomy.template import write_template_subject
from convdip_training.config import HeadConfig

# What is read of a subject of your own.
OWN_FILES = (
    *(f"surf/{side}.{name}" for side in ("lh", "rh")
      for name in ("white", "pial", "inflated", "sphere", "sulc")),
    *(f"label/{side}.aparc.annot" for side in ("lh", "rh")),
    *(f"bem/{name}.surf" for name in ("inner_skull", "outer_skull", "outer_skin")),
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A FreeSurfer subject.

    Attributes
    ----------
    name : str
    subjects_dir : Path
    trans : str
        The head↔MRI transform: a file, or ``fsaverage`` for MNE's own.
    """

    name: str
    subjects_dir: Path
    trans: str

    @property
    def folder(self) -> Path:
        """The subject's own folder, with ``surf``, ``label`` and ``bem``."""
        return self.subjects_dir / self.name


def find_subject(config: HeadConfig, scratch: Path) -> Subject:
    """Find a subject's files; those of the template are written into ``scratch``.

    Raises
    ------
    ConfigError
        If a file or the head↔MRI transform is missing.
    """
    if config.subject == "template":
        return Subject(write_template_subject(scratch), scratch, "fsaverage")
    if config.subject == "fsaverage" and not config.subjects_dir:
        folder = Path(mne.datasets.fetch_fsaverage(verbose="error"))
        return Subject("fsaverage", folder.parent, "fsaverage")
    subjects_dir = Path(config.subjects_dir)
    folder = subjects_dir / config.subject
    if not folder.is_dir():
        raise ConfigError(
            f"no FreeSurfer subject at {folder}: set its name and the folder of subjects, or use "
            "the subject 'template'"
        )
    absent = [name for name in OWN_FILES if not (folder / name).is_file()]
    if absent:
        raise ConfigError(
            f"the head of {config.subject!r} needs {', '.join(absent)} in {folder}: FreeSurfer's "
            "recon-all makes surfaces and atlas, mne watershed_bem the shells"
        )
    try:
        mne.read_trans(config.trans, verbose="error")
    except (OSError, ValueError, AttributeError):  # what MNE raises for any other file
        raise ConfigError(
            f"trans is {config.trans!r}: expected the head↔MRI transform of {config.subject!r}, "
            "a -trans.fif file from mne coreg"
        ) from None
    return Subject(config.subject, subjects_dir, config.trans)


def own_files(config: HeadConfig) -> list[Path]:
    """Return the files of your own subject that the head model is made from."""
    if not config.subjects_dir:
        return []
    folder = Path(config.subjects_dir) / config.subject
    files = (*(folder / name for name in OWN_FILES), Path(config.trans))
    return [file for file in files if file.is_file()]
