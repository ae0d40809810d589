"""The proof: a session played, imaged by the real service, and judged by a client.

Three processes, as in the demo: one streams EEG of known sources, ``convdip run`` images it and
publishes regions and features, and this one reads what any client could.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from convdip.bundle import load_bundle
from convdip.feedback.features import WINDOW_S
from convdip.feedback.regions import atlas_regions
from convdip.head import Head
from convdip.live.runtime import Provider
from convdip.processes import START_S, Process, private_lsl
from convdip.prove.about import describe
from convdip.prove.judge import Judge
from convdip.prove.listen import Heard, Listener
from convdip.prove.report import check_folder, write_report
from convdip.prove.session import BANDS, Plan, feature_name, plan_session
from convdip.sources.signs import signs_for


def settings_file(name: str, model: str, provider: Provider, head: Head) -> str:
    """Return the service's settings: the power of each region in each band."""
    run = {"input": name, "name": name, "model": model, "provider": provider, "wait_s": START_S}
    lines = ["[run]", *(f"{key} = {json.dumps(value)}" for key, value in run.items())]
    for band, edges_hz in BANDS.items():
        for region in atlas_regions(head):
            lines += [
                f"\n[feature.{feature_name(band, region.name)}]",
                f"regions = {json.dumps(region.name)}",
                'measure = "power"',
                f"window_s = {WINDOW_S}",
                f"band_hz = {list(edges_hz)}",
            ]
    return "\n".join(lines) + "\n"


def hear_session(
    plan: Plan,
    model: str,
    provider: Provider,
    seed: int,
    on_status: Callable[[str], None],
    *,
    is_quick: bool = False,
) -> Heard:
    """Play a session to the service, and return what was heard."""
    head = load_bundle(model).head
    name = f"ConvDipProve{uuid.uuid4().hex[:6]}"
    n_features = len(BANDS) * len(atlas_regions(head))
    with ExitStack() as stack:
        env = stack.enter_context(private_lsl())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "prove.toml"
        config.write_text(settings_file(name, model, provider, head), encoding="utf-8")
        on_status(f"simulating {len(plan.trials)} sources")
        play = ["convdip.prove.source", "--name", name, "--model", model, "--seed", str(seed)]
        play += ["--sfreq-hz", str(plan.sfreq_hz), *(["--quick"] if is_quick else [])]
        source = stack.enter_context(Process(play, env))
        run = ["convdip", "run", "--config", str(config), "--json"]
        service = stack.enter_context(Process(run, env))
        listener = Listener(name, [source, service], head, n_features, plan)
        on_status(f"the service runs on {listener.provenance.provider}")
        heard = listener.listen(on_status)
        service.end_with_json()
    return heard


def prove(
    model: str,
    provider: Provider,
    seed: int,
    sfreq_hz: float,
    output: Path,
    on_status: Callable[[str], None],
    *,
    is_quick: bool = False,
) -> dict[str, Any]:
    """Play a session to the service, judge it, and write the report.

    Parameters
    ----------
    model : str
        Model bundle.
    provider : 'auto', 'cuda' or 'cpu'
    seed : int
        Of sources and background.
    sfreq_hz : float
        Of the EEG.
    output : Path
        Folder of the report.
    on_status : callable
        Called with one line of progress a second.
    is_quick : bool
        With sources in some regions only.

    Returns
    -------
    numbers : dict
        What is in ``report.json``.

    Raises
    ------
    ConfigError
        If a setting is out of range, or the folder holds something else than a report.
    StreamError
        If simulator or service fail.
    """
    bundle = load_bundle(model)
    signs = signs_for(bundle.polarity)
    plan = plan_session(bundle.head, seed, sfreq_hz, signs, is_quick=is_quick)
    check_folder(output)
    heard = hear_session(plan, model, provider, seed, on_status, is_quick=is_quick)
    on_status("judging")
    judged = Judge(plan, heard, bundle.head).judge()
    arguments = ["--model", model, "--provider", provider, "--seed", str(seed)]
    arguments += ["--sfreq-hz", f"{sfreq_hz:g}", *(["--quick"] if is_quick else [])]
    about = describe(
        plan, heard.provenance, [*arguments, "--output", str(output)], seed, is_quick=is_quick
    )
    return write_report(output, about, judged)
