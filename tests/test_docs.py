"""README and docs: every snippet is run or parsed, every link leads somewhere, and what they
state of streams, settings and layers is what the code has.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from convdip import Head
from convdip.__main__ import app as live_app
from convdip.live.loop.protocol_file import read_protocol
from convdip.live.settings import Settings
from convdip.streams import QUALITY, Event, Provenance, events_info, quality_info, sources_info

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "README.md"]
LIVE = ("MyAmplifier", "Lab-Sources")
# What the pages' snippets need beside them, as the README has it.
AMPLIFIER = "convdip simulate --name MyAmplifier"
SERVICE = "convdip run --input MyAmplifier --name Lab"

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(?:\.venv/bin/)?(convdip(?:-train)? [^`]+)`")
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str


def snippets(page: Path, language: str) -> list[Snippet]:
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(page, text[: match.start()].count("\n") + 2, match["language"], match["code"])
        for match in FENCE.finditer(text)
        if match["language"] == language
    ]


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if snippets(page, language)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages_with("python"), ids=name)
def test_python_runs(
    page: Path,
    convdip: Callable[..., subprocess.Popen[str]],
    said: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The blocks of a page, in order, in one namespace, beside a running service."""
    blocks = snippets(page, "python")
    if any(stream in block.code for block in blocks for stream in LIVE):
        convdip(*AMPLIFIER.split()[1:])
        convdip(*SERVICE.split()[1:])
        said(1, "output Lab-Sources")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        # As many empty lines before it as are in the page: a traceback names the page's line.
        code = "\n" * (block.line - 1) + block.code
        exec(compile(code, str(block.page), "exec"), namespace)
        # A client that received nothing would run as well: it prints what it gets.
        assert "print(" not in block.code or capsys.readouterr().out, f"{block} printed nothing"


def commands(page: Path) -> Iterator[list[str]]:
    """The command lines of a page, in blocks and in sentences."""
    for block in snippets(page, "sh"):
        for line in block.code.replace("\\\n", " ").splitlines():
            if tokens := shlex.split(line, comments=True):
                yield tokens
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in INLINE.finditer(prose):
        yield shlex.split(match[1].replace("\n", " "))


def parse(program: str, tokens: list[str]) -> None:
    """Let a command line's own parser judge its arguments, without running it."""
    from convdip_training.__main__ import app as training_app

    app = live_app if program == "convdip" else training_app
    if len(tokens) == 1:  # a sentence that names a command without its arguments
        assert tokens[0] in app, f"{program} has no command {tokens[0]!r}"
        return
    if program == "convdip":
        _, bound, *_ = app.meta.parse_args(tokens, print_error=False, exit_on_error=False)
        tokens = list(bound.args)
    app.parse_args(tokens, print_error=False, exit_on_error=False)


def check_command(tokens: list[str]) -> None:
    program, *arguments = tokens
    if program.removeprefix(".venv/bin/") in ("convdip", "convdip-train"):
        parse(program.removeprefix(".venv/bin/"), arguments)
        return
    if program == ".venv/bin/pre-commit":
        assert (Path(sys.executable).parent / "pre-commit").exists()
        return
    if program in ("python", ".venv/bin/python"):
        assert (ROOT / arguments[0]).is_file(), arguments[0]
        return
    script = ROOT / program
    assert program.startswith("scripts/"), f"nothing here checks {program!r}"
    assert script.stat().st_mode & stat.S_IXUSR
    if program == "scripts/demo":
        parse("convdip", ["demo", *arguments])
    if program == "scripts/install":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert {*arguments} <= {"dev", *project["project"]["optional-dependencies"]}


# The changelog tells of commands that are gone.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=name)
def test_command_lines_are_understood(page: Path) -> None:
    for tokens in commands(page):
        try:
            check_command(tokens)
        except Exception as error:
            raise AssertionError(f"{shlex.join(tokens)}: {error}") from error


def test_a_wrong_command_line_is_found() -> None:
    for wrong in (
        "convdip run --inputt Amp",
        "convdip-train evaluate --fast",
        "convdip fly",
        "scripts/no",
    ):
        with pytest.raises(Exception, match=r"\w"):
            check_command(wrong.split())


def test_the_readme_starts_what_its_clients_read() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert AMPLIFIER in text
    assert SERVICE in text


def test_streams_are_listed(convdip: Callable[..., subprocess.Popen[str]]) -> None:
    listing = convdip("streams")
    listing.communicate(timeout=60)
    assert listing.returncode == 0


def test_json_and_toml_are_what_they_seem(tmp_path: Path) -> None:
    blocks = [
        block for page in PAGES for kind in ("json", "toml") for block in snippets(page, kind)
    ]
    assert {block.language for block in blocks} == {"json", "toml"}
    for block in blocks:
        if block.language == "json":
            json.loads(block.code)
        else:
            path = tmp_path / "lab.toml"
            path.write_text(block.code, encoding="utf-8")
            tables = tomllib.loads(block.code)
            if "blocks" in tables:
                assert read_protocol(path, None).blocks
                continue
            Settings(**tables["run"], features=path if "feature" in tables else None)


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), link[0]
        assert not link["anchor"] or link["anchor"] in slugs(target), link[0]


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 150


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "scripts" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_json(tables: ModuleType) -> None:
    filled = set()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        assert tables.fill(text) == text, f"{name(page)} is stale: scripts/tables"
        filled |= {match["name"] for match in tables.BLOCK.finditer(text)}
    assert filled == set(tables.TABLES)


def test_a_stale_table_is_found(tables: ModuleType) -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    begin = tables.BLOCK.search(text).start()
    stale = text[:begin] + re.sub(r"0\.\d{3}", "0.123", text[begin:], count=1)
    assert stale != text
    assert tables.fill(stale) == text


@pytest.fixture
def evaluations(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A copy of the evaluations, to be changed."""
    for model in (tables.DEFAULT_MODEL, tables.PAPERS_MODEL):
        (tmp_path / model).mkdir()
        shutil.copy(tables.EVALUATIONS / model / "evaluation.json", tmp_path / model)
    monkeypatch.setattr(tables, "EVALUATIONS", tmp_path)
    tables.evaluation.cache_clear()
    yield tmp_path
    tables.evaluation.cache_clear()


def test_sets_of_either_sign_lead_the_tables(tables: ModuleType) -> None:
    sets = tables.evaluation(tables.DEFAULT_MODEL)["sets"]
    aucs = [
        f"{sets[key]['methods'][tables.DEFAULT_MODEL]['auc']['mean']:.3f}"
        for key in ("multi-signed", "multi")
    ]
    signed, papers = tables.accuracy().split("Positive sources, as in the paper:")
    for auc, table in zip(aucs, (signed, papers), strict=True):
        [ours] = [row for row in table.splitlines() if f"[{tables.DEFAULT_MODEL}]" in row]
        assert f"**{auc}**" in ours
    assert "sign right" in signed
    assert " *0.98*" not in signed  # the paper's value
    assert " *0.98*" in papers
    headline = tables.headlines()
    assert f"AUC, 1–10 sources | {aucs[0]}" in headline
    assert "for simulated sources of either sign." in headline
    titles = [row.split(" | ")[0] for row in tables.sets().splitlines()[2:]]
    assert len(titles) == len(sets)
    assert titles[:2] == ["| one source, either sign", "| 1–10 sources, either sign"]
    first_positive = next(i for i, title in enumerate(titles) if title.endswith(", positive"))
    assert all(title.endswith(", positive") for title in titles[first_positive:])
    targets = tables.targets()
    assert "| one source, either sign | AUC | ≥ 0.988 |" in targets
    assert "| 1–10 sources, positive | AUC | ≥ 0.83 |" in targets
    assert "AUC, by groups" in targets


def test_a_set_that_was_not_evaluated_is_asked_for(tables: ModuleType, evaluations: Path) -> None:
    path = evaluations / tables.PAPERS_MODEL / "evaluation.json"
    found = json.loads(path.read_text("utf-8"))
    del found["sets"]["single-signed"]
    path.write_text(json.dumps(found), "utf-8")
    with pytest.raises(SystemExit, match="no set single-signed: evaluate convdip-paper anew"):
        tables.accuracy()


def table_rows(page: str, heading: str) -> list[list[str]]:
    """The cells of a section's tables whose first one is in backticks."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def first_column(page: str, heading: str) -> list[str]:
    """What stands in backticks in the first column of a section's tables."""
    words = [re.findall(r"`([^`]+)`", row[0]) for row in table_rows(page, heading)]
    return [word for row in words for word in row]


def test_quality_is_specified() -> None:
    stated = {}
    for labels, unit, _ in table_rows("streams.md", "NAME-Quality"):
        stated |= dict.fromkeys(re.findall(r"`([^`]+)`", labels), unit)
    assert list(stated.items()) == list(QUALITY.items())


def test_events_are_specified() -> None:
    assert set(first_column("streams.md", "NAME-Events")) == {str(event) for event in Event}


def leaves(node: ElementTree.Element, path: str = "") -> Iterator[str]:
    for child in node:
        if len(child):
            yield from leaves(child, f"{path}{child.tag}/")
        else:
            yield f"{path}{child.tag}"


def test_metadata_is_specified(toy_head: Head) -> None:
    provenance = Provenance("Amp", "id", "host", None, "model", "0", "0", "cpu", "fp32", 1, "both")
    info = sources_info("Lab", toy_head, 500.0, provenance)
    desc = ElementTree.fromstring(info.as_xml()).find("desc")
    assert desc is not None
    stated, path = set(), ""
    for word in first_column("streams.md", "NAME-Sources"):
        # A name alone lies beside the one before it.
        path = word if "/" in word else f"{path.rpartition('/')[0]}/{word}"
        stated.add(path)
    assert stated == set(leaves(desc))


def test_names_types_and_channels_are_specified(toy_head: Head) -> None:
    provenance = Provenance("Amp", "id", "host", None, "model", "0", "0", "cpu", "fp32", 1, "both")
    text = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
    for info in (
        sources_info("NAME", toy_head, 500.0, provenance),
        quality_info("NAME", "Amp"),
        events_info("NAME"),
    ):
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{info.name()}` |")]
        assert f"| `{info.type()}` |" in row
        assert f"| `{info.source_id()}` |" in row
        if info.name() != "NAME-Sources":
            assert f"| {info.channel_count()} |" in row


def test_settings_are_listed() -> None:
    listed = first_column("service.md", "Settings")
    assert {f"--{field.name.replace('_', '-')}" for field in fields(Settings)} <= set(listed)


def test_layers_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = [c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    layers = [re.split(r" [:|] ", layer) for contract in contracts for layer in contract["layers"]]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [
        re.findall(r"`(\w+)`", line.split("|")[1])
        for line in text.split("\n## The rooms\n")[1].splitlines()
        if line.startswith("| `") and "/`" not in line.split("|")[1]
    ]
    assert rows == layers


def test_the_way_of_a_sample_names_the_files_of_live() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.split("\n## The way of a sample\n")[1].split("\n## ")[0]
    there = {path.name for path in (ROOT / "realtime/convdip/live").rglob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", section)) - {"streams.py"} == there


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {project['version']}\n" in citation
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    [ours] = [package for package in locked if package["name"] == project["name"]]
    assert ours["version"] == project["version"]
    assert re.search(rf"^## {re.escape(project['version'])} – \d{{4}}-\d\d-\d\d$", changes, re.M)


def test_no_page_is_forgotten() -> None:
    """Every page of docs/ is named in the README."""
    text = PAGES[0].read_text(encoding="utf-8")
    assert all(f"docs/{page.name}" in text for page in (ROOT / "docs").glob("*.md"))


def test_examples_are_short() -> None:
    whole_experiments = {"fists.py", "psychopy_feedback.py"}
    for example in (ROOT / "examples").glob("*.py"):
        most = 120 if example.name in whole_experiments else 60
        assert len(example.read_text(encoding="utf-8").splitlines()) < most, example.name
