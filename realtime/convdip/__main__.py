"""Command line ``convdip``: live EEG source imaging over LSL."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.config import Toml

from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.errors import ConfigError, ConvDipError, MontageError
from convdip.live.feature_settings import read_tables
from convdip.live.network import Precision
from convdip.live.runtime import Provider
from convdip.live.settings import Settings
from convdip.sources.signs import Signs
from convdip.terminal import (
    FlagsFormatter,
    call_on_signal,
    exit_on_termination,
    in_flags,
    quiet_lsl,
    status_printer,
    stop_on_signal,
)

app = App(
    name="convdip",
    help="Live EEG source imaging: an EEG stream in, 5,124 cortical dipoles out, over LSL.",
    version=lambda: version("convdip-realtime"),
    help_format="markdown",
)

log = logging.getLogger(__name__)

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]


@app.command
def demo(
    *,
    seconds: float = 20.0,
    model: str = DEFAULT_MODEL,
    provider: Provider = "auto",
    seed: int = 1,
    display: Flag = False,
    json_: Json = False,
) -> int:
    """Image simulated EEG with known sources through the real service, and judge the result.

    The exit code is 1 if a sample was lost or the sources were not found.

    Example: convdip demo --seconds 15

    Parameters
    ----------
    seconds : float
        Length of the simulated session in seconds, 0.5 to 600.
    model : str
        Model bundle: a folder, or the name of a shipped one.
    provider : str
        Where the network runs.
    seed : int
        Random seed of the session.
    display : bool
        Show it on the live cortex; without a screen, draw the picture convdip-demo.png.
    json_ : bool
        Print the report as a JSON object on the last line.
    """
    from convdip.demo.run import run_demo
    from convdip.demo.verdict import KINDS

    exit_on_termination()
    report = run_demo(model, seconds, seed, provider, status_printer(), is_displayed=display)
    if json_:
        print(json.dumps({**asdict(report), "ok": report.ok}))
        return 0 if report.ok else 1
    print(
        f"\nsamples     {report.sent} sent since the client connected, {report.received} received, "
        f"{report.lost} lost, {report.out_of_order} out of order or duplicated\n"
        f"sources     {report.n_sources} {KINDS[report.signs]}, median localisation error "
        f"{report.error_mm_median:.1f} mm (chance: {report.error_mm_by_chance:.1f} mm), sign right "
        f"in {report.sign_right:.0%} of the samples\n"
        f"age         median {report.age_ms_median:.2f} ms, p99 {report.age_ms_p99:.2f} ms "
        f"(EEG time stamp → client has its sources)\n"
        f"runs on     {report.provider}, model {report.model}\n"
        f"verdict     {'all is well' if report.ok else 'NOT well: ' + report.complaint}"
    )
    return 0 if report.ok else 1


@app.command
def streams(*, wait_s: float = 1.5, json_: Json = False) -> int:
    """List the LSL streams on the network.

    Example: convdip streams

    Parameters
    ----------
    wait_s : float
        How long to listen, in seconds.
    json_ : bool
        Print the list as a JSON object.
    """
    from convdip.live.sender import find_streams

    if not wait_s > 0:
        raise ConfigError(f"`wait_s` is {wait_s:g}: expected a number above 0")
    found = [
        {
            "name": stream.name(),
            "type": stream.type(),
            "channels": stream.channel_count(),
            "sfreq_hz": stream.nominal_srate(),
            "hostname": stream.hostname(),
            "source_id": stream.source_id(),
        }
        for stream in sorted(find_streams(wait_s), key=lambda s: (s.type(), s.name()))
    ]
    if json_:
        print(json.dumps({"streams": found}))
    elif not found:
        print(f"no streams found within {wait_s:g} s: is the amplifier's LSL app running?")
    for stream in () if json_ else found:
        rate = f"{stream['sfreq_hz']:g} Hz" if stream["sfreq_hz"] else "irregular"
        print(
            "{name:30} {type:15} {channels:5} channel(s) {rate:>10}  {hostname}".format(
                rate=rate, **stream
            )
        )
    return 0


@app.command
def check(
    input_: Annotated[str | None, Parameter(name="--input")] = None,
    *,
    seconds: float | None = None,
    unit: str | None = None,
    channels: str | None = None,
    invert: Flag = False,
    stream: str | None = None,
    wait_s: float = 10.0,
    json_: Json = False,
) -> int:
    """Report on an EEG stream or a recording before it is imaged, and what to mend.

    The exit code is 1 if it cannot be imaged.

    Example: convdip check MyAmplifier

    Parameters
    ----------
    input_ : str
        Path of a recording, or name of an EEG stream; without it, the only EEG stream there is.
    seconds : float
        How long to listen (by default 10), or how much of a recording to read (its first 120).
    unit : str
        What a step of 1 in the numbers is, such as microvolts or 0.0244uV.
    channels : str
        What the channels are: a cap (biosemi64, egi128), or a file with a label a line.
    invert : bool
        Reverse the polarity.
    stream : str
        Name, source id or number of the EEG stream in an XDF file that has several.
    wait_s : float
        How long to look for the stream, in seconds.
    json_ : bool
        Print the report as a JSON object on the last line.
    """
    from convdip.check.examine import examine
    from convdip.check.source import check_seconds, find_source
    from convdip.check.table import described, to_text

    settings = Settings(input=input_, unit=unit, channels=channels, invert=invert, wait_s=wait_s)
    check_seconds(seconds)
    show, head = status_printer(period_s=1.0), load_bundle(settings.model).head
    source = find_source(settings, stream)
    try:
        report = examine(source, settings, head, seconds=seconds, on_status=show)
    except MontageError:  # what the source says is what there is to mend
        print(described(source.eeg), file=sys.stderr if json_ else sys.stdout, flush=True)
        raise
    if json_:
        print(json.dumps({**asdict(report), "ok": report.ok}))
    else:
        print("\n" + in_flags(to_text(report)))
    return 0 if report.ok else 1


@app.command
def run(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),  # noqa: B008
    realtime: Flag = False,
    display: Flag = False,
    json_: Json = False,
) -> int:
    """Image an EEG stream and publish its sources, until stopped with Ctrl-C.

    Settings can also stand in the table [run] of a TOML file: convdip run --config lab.toml

    Example: convdip run --input MyAmplifier --name Lab1

    Parameters
    ----------
    settings : Settings
    realtime : bool
        Run with real-time priority, so that no other program delays a sample (Linux, needs
        permission).
    display : bool
        Also open the live cortex, in a process of its own.
    json_ : bool
        Print a summary as a JSON object at the end.
    """
    from pylsl import local_clock

    from convdip.display.app import display_beside
    from convdip.live.health import Health, status_line
    from convdip.live.service import Service
    from convdip.priority import dedicate_process, keep_collector_off
    from convdip.processes import Process

    show = _rare_status()
    window: Process | None = None

    def on_status(health: Health) -> None:
        nonlocal window
        now_s = local_clock()
        # A log begins with the first line that has an age, or a problem, to tell of.
        if sys.stderr.isatty() or health.has_age or health.silence_s(now_s) or health.is_over:
            show(status_line(health, now_s))
        try:
            if window is not None:
                window.check_alive()
        except ConvDipError as error:  # the service goes on without it
            log.warning("%s", error)
            window = None

    given = {one.name: getattr(settings, one.name) for one in fields(settings)}
    service = Service(on_status=on_status, **given)
    call_on_signal(service.stop)
    with display_beside(settings) if display else nullcontext() as beside:
        window = beside
        dedicate_process(realtime=realtime)
        if service.open():
            keep_collector_off()
            service.run()
    summary = service.summary
    if json_:
        print(json.dumps(asdict(summary)))
    else:
        print(f"\nstopped: {summary}")
    return 0


@app.command
def display(*, name: str | None = None, model: str | None = None, json_: Json = False) -> int:
    """Open the live cortex: what a service publishes, and whether to trust it.

    Runs on any computer in the same network. '?' in the window lists the keys.

    Example: convdip display --name Lab

    Parameters
    ----------
    name : str
        Name of the service; without it, the only one there is, or the one chosen in the window.
    model : str
        The service's model bundle, if it is not a shipped one.
    json_ : bool
        Print frame times and ages as a JSON object when the window is closed.
    """
    from convdip.display.app import run_display

    summary = run_display(name, model, stop_on_signal())
    if json_:
        print(json.dumps(summary))
    return 0


@app.command
def replay(
    file: Path,
    /,
    *,
    name: str = "Replay",
    loop: Flag = False,
    speed: float = 1.0,
    unit: str | None = None,
    stream: str | None = None,
    clients: int = 1,
    json_: Json = False,
) -> int:
    """Play a recording as an LSL EEG stream in microvolts, once a client listens.

    Its annotations are published as the marker stream NAME-Markers.

    Example: convdip replay recording.edf --name MyAmplifier --loop

    Parameters
    ----------
    file : Path
        Any recording that MNE-Python reads, or an XDF file.
    name : str
        Name of the stream.
    loop : bool
        Start again at the end.
    speed : float
        2 plays twice as fast, at twice the sampling rate.
    unit : str
        Unit of the numbers stored in the file, instead of what the file states.
    stream : str
        Name, source id or number of the EEG stream in an XDF file that has several.
    clients : int
        Start once so many clients listen to the EEG.
    json_ : bool
        Print what was sent as a JSON object at the end.
    """
    from convdip.sources.replay import replay_recording

    played = replay_recording(
        file,
        name,
        loop=loop,
        speed=speed,
        unit=unit,
        stream=stream,
        clients=clients,
        stop=stop_on_signal(),
        on_status=_rare_status(),
    )
    print(json.dumps(asdict(played)) if json_ else f"\nstopped: {played.n_samples} samples sent")
    return 0


@app.command
def simulate(
    *,
    name: str = "Simulation",
    seconds: float = 60.0,
    sfreq_hz: float = 500.0,
    seed: int = 1,
    signs: Signs = "random",
    model: str = DEFAULT_MODEL,
    json_: Json = False,
) -> int:
    """Stream simulated EEG with known sources, once a client listens.

    The true sources are published as the marker stream NAME-Truth.

    Example: convdip simulate --name TestEEG --seconds 120

    Parameters
    ----------
    name : str
        Name of the stream.
    seconds : float
        Length in seconds, 0.5 to 600, after a lead-in of two seconds without a source.
    sfreq_hz : float
        Sampling rate in Hz.
    seed : int
        Random seed of the session.
    signs : str
        Signs of the sources: random, as in ongoing EEG, or all positive (out of the cortex).
    model : str
        Model bundle whose head model to use.
    json_ : bool
        Print what was sent as a JSON object at the end.
    """
    from convdip.sources.simulator import play_session, simulate_session

    stop, show = stop_on_signal(), _rare_status()
    head = load_bundle(model).head
    session = simulate_session(head, seconds, sfreq_hz, seed, signs)
    played = play_session(session, head, name, stop, show)
    print(json.dumps(asdict(played)) if json_ else f"\nstopped: {played.n_samples} samples sent")
    return 0


@app.command
def bench(
    *,
    model: str = DEFAULT_MODEL,
    provider: Provider = "auto",
    precision: Precision = "auto",
    realtime: Flag = False,
    quick: Flag = False,
    png: Path | None = None,
    json_: Json = False,
) -> int:
    """Measure latency, losses, throughput and cost on this machine, each against its target.

    Source, service and client are three processes, as in a lab. Bare LSL hops and bare runs of
    the network are measured in turns with them, since machines differ and are noisy. Takes about
    five minutes.

    Example: convdip bench --quick

    Parameters
    ----------
    model : str
        Model bundle: a folder, or the name of a shipped one.
    provider : str
        Where the network runs.
    precision : str
        Precision of the network's weights.
    realtime : bool
        Run all processes with real-time priority.
    quick : bool
        The main measurements only, in one minute.
    png : Path
        Also draw the latencies and the jitter of all trials, into this file.
    json_ : bool
        Print everything as a JSON object on the last line.
    """
    from convdip.bench.measure import Bench
    from convdip.bench.report import check_can_draw, draw, to_json, to_table
    from convdip.processes import private_lsl

    exit_on_termination()
    load_bundle(model)  # a wrong name is told before minutes have gone
    if png is not None:
        check_can_draw(png)
    show = status_printer()
    with private_lsl() as env:
        measured = Bench(model, provider, precision, realtime, quick, env)
        lines = []
        for line in measured.lines(lambda doing: show(f"{doing} …")):
            lines.append(line)
            show(f"{line.what}: {line.found}")
    arguments = {
        "model": model,
        "provider": provider,
        "precision": precision,
        "realtime": realtime,
        "quick": quick,
    }
    result = to_json(lines, arguments)
    if json_:
        print(json.dumps(result))
    else:
        print("\n" + to_table(lines) + "\n\n" + ", ".join(result["machine"].values()))
    if png is not None:
        draw(measured.trials, png)
    return 0


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
    verbose: Flag = False,
) -> Any:
    """Launch a command.

    Parameters
    ----------
    config : Path
        TOML file with a table of settings for each command.
    verbose : bool
        Enable debug logging.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FlagsFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    quiet_lsl()
    if config is not None:
        has_features = _check_settings(config)
        app.config = (Toml(config, must_exist=True),)
        is_named = any(token.partition("=")[0] == "--features" for token in tokens)
        if has_features and tokens[:1] == ("run",) and not is_named:
            tokens = (*tokens, "--features", str(config))
    return app(tokens)


def _rare_status() -> Callable[[str], None]:
    """Show the status once a second to a person, once a minute in a log file of eight hours."""
    return status_printer(period_s=0.0 if sys.stderr.isatty() else 60.0)


def _check_settings(path: Path) -> bool:
    """Refuse a settings file with anything in it that no command would read.

    Returns whether there are features in it.
    """
    tables = read_tables(path, "settings")
    has_features = tables.pop("feature", None) is not None
    unknown = [key for key in tables if key not in set(app)]
    if unknown:
        raise ConfigError(
            f"{path}: {unknown[0]!r} is not a command: expected a table such as [run] with the "
            "settings in it"
        )
    return has_features


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    try:
        code = app.meta()
    except ConvDipError as error:
        print(f"convdip: {in_flags(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)


if __name__ == "__main__":
    main()
