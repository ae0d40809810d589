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
from typing import Annotated, Any, get_type_hints

from cyclopts import App, Parameter
from cyclopts.config import Dict

from convdip.attendance import Attendance
from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.console import SparingHandler, finish_stdout, patient_stderr, tell
from convdip.discovery import passing_on
from convdip.display.participant import SceneName
from convdip.errors import ConfigError, ConvDipError, MontageError
from convdip.exposure import check_in_force, found_by, reachable
from convdip.live.network import Precision
from convdip.live.runtime import Provider
from convdip.live.setting_types import check_type, shown_value
from convdip.live.settings import Settings
from convdip.live.tables import read_tables
from convdip.lsl_config import settle_lsl
from convdip.sources.signs import Signs
from convdip.terminal import (
    FlagsFormatter,
    call_on_signal,
    exit_on_termination,
    in_a_line,
    in_flags,
    status_printer,
    stop_on_signal,
)
from convdip.text import shown, shown_lines
from convdip.web.access import LOOPBACK

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
                rate=rate,
                **{key: shown(x) if isinstance(x, str) else x for key, x in stream.items()},
            )
        )
    return 0


@app.command
def check(
    input_: Annotated[str | None, Parameter(name="--input")] = None,
    *,
    source_id: str | None = None,
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
        Path of a recording, or name of an EEG stream, or NAME@host; without it, the only EEG stream
        there is.
    source_id : str
        The source id of the EEG stream, where its name does not tell it from others.
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

    settings = Settings(
        input=input_,
        source_id=source_id,
        unit=unit,
        channels=channels,
        invert=invert,
        wait_s=wait_s,
    )
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
        print("\n" + shown_lines(in_flags(to_text(report))))
    return 0 if report.ok else 1


@app.command
def run(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),  # noqa: B008
    network: Flag = False,
    realtime: Flag = False,
    display: Flag = False,
    health_file: Path | None = None,
    json_: Json = False,
) -> int:
    """Image an EEG stream and publish its sources, until stopped with Ctrl-C.

    Settings can also stand in the table [run] of a TOML file: convdip run --config lab.toml

    Example: convdip run --input MyAmplifier --name Lab1

    Parameters
    ----------
    settings : Settings
    network : bool
        Let other computers find the published streams, too.
    realtime : bool
        Run with real-time priority, so that no other program delays a sample (Linux, needs
        permission).
    display : bool
        Also open the live cortex, in a process of its own.
    health_file : Path
        File to write every second, with how it goes as a JSON object: for who supervises it.
    json_ : bool
        Print a summary as a JSON object at the end.
    """
    from convdip.display.app import display_beside
    from convdip.live.service import Service
    from convdip.priority import dedicate_process, keep_collector_off

    given = {one.name: getattr(settings, one.name) for one in fields(settings)}
    with Attendance(settings.name, health_file, _rare_status()) as attendance:
        service = Service(on_status=attendance, **given)
        call_on_signal(service.stop)
        with display_beside(settings) if display else nullcontext() as attendance.window:
            dedicate_process(realtime=realtime)
            config = _settle(network=network)
            try:
                if service.open():
                    log.info("%s", found_by(config))
                    log.info("%s", reachable(config) or "what can reach it is not known here")
                    keep_collector_off()
                    attendance.is_ready(service.input_name)
                    with passing_on(config):
                        service.run()
            finally:
                service.close()
    summary = service.summary
    tell(json.dumps(asdict(summary)) if json_ else f"\nstopped: {summary}")
    return 0


@app.command
def display(
    *,
    name: str | None = None,
    model: str | None = None,
    participant: Flag = False,
    scene: SceneName | None = None,
    network: Flag = False,
    json_: Json = False,
) -> int:
    """Open the live cortex: what a service publishes, and whether to trust it.

    Runs on the service's computer, or on any in its network if it was started with --network. '?'
    in the window lists the keys.

    Example: convdip display --name Lab

    Example: convdip display --name Lab --participant --scene horizon

    Parameters
    ----------
    name : str
        Name of the service; without it, the only one there is, or the one chosen in the window.
    model : str
        The service's model bundle, if it is not a shipped one.
    participant : bool
        Show the participant the feedback, and nothing else, on the whole second screen; Esc leaves
        it, and closes.
    scene : str
        What follows the feedback: gauge (default), circle or horizon.
    network : bool
        Let other computers find what was shown, NAME-Shown, too.
    json_ : bool
        Print frame times and ages as a JSON object when the window is closed.
    """
    from convdip.display.app import run_display, run_participant

    if participant and model is not None:
        raise ConfigError("`model` is for the live cortex: expected none with --participant")
    if scene is not None and not participant:
        raise ConfigError("`scene` is what a participant sees: expected --participant with it")
    if network and not participant:
        raise ConfigError("`network` is for what a participant saw: expected --participant with it")
    if participant:
        _settle(network=network)
        summary = run_participant(name, scene or "gauge", stop_on_signal())
    else:
        summary = run_display(name, model, stop_on_signal())
    if json_:
        print(json.dumps(summary))
    return 0


@app.command
def web(
    *,
    name: str | None = None,
    model: str | None = None,
    host: str = LOOPBACK,
    port: int = 8765,
    json_: Json = False,
) -> int:
    """Show the live cortex in a browser, until stopped with Ctrl-C: for tablets, second computers.

    The address to open is printed. Other computers reach it with --host 0.0.0.0, and only by the
    whole address with the token in it, which is another one at every start.

    Example: convdip web --name Lab

    Parameters
    ----------
    name : str
        Name of the service; without it, the only one there is.
    model : str
        The service's model bundle, if it is not a shipped one.
    host : str
        Address of this computer to listen on; 0.0.0.0: all it has.
    port : int
        0: any that is free.
    json_ : bool
        Print frame times and ages as a JSON object at the end.
    """
    from convdip.web.app import run_web

    out = sys.stderr if json_ else sys.stdout

    def announce(url: str) -> None:
        print(f"open {url}", file=out, flush=True)

    summary = run_web(name, model, host, port, stop_on_signal(), announce)
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
    network: Flag = False,
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
    network : bool
        Let other computers find the streams, too.
    json_ : bool
        Print what was sent as a JSON object at the end.
    """
    from convdip.sources.replay import replay_recording

    _settle(network=network)
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
    tell(json.dumps(asdict(played)) if json_ else f"\nstopped: {played.n_samples} samples sent")
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
    network: Flag = False,
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
    network : bool
        Let other computers find the streams, too.
    json_ : bool
        Print what was sent as a JSON object at the end.
    """
    from convdip.sources.simulator import play_session, simulate_session

    _settle(network=network)
    stop, show = stop_on_signal(), _rare_status()
    head = load_bundle(model).head
    session = simulate_session(head, seconds, sfreq_hz, seed, signs)
    played = play_session(session, head, name, stop, show)
    tell(json.dumps(asdict(played)) if json_ else f"\nstopped: {played.n_samples} samples sent")
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


@app.command
def prove(
    *,
    model: str = DEFAULT_MODEL,
    provider: Provider = "auto",
    seed: int = 1,
    sfreq_hz: float = 250.0,
    quick: Flag = False,
    output: Path = Path("convdip-prove"),
    json_: Json = False,
) -> int:
    """Measure what the whole chain finds of known sources, and write a report for a lab's methods.

    Simulated sources in every region, of both signs and in three bands, through the real service
    to features: hit rates, errors, leakage, delays. Takes two and a half minutes. The exit code is
    1 if a sample was lost, or regions were found no better than by chance.

    Example: convdip prove --output proof

    Parameters
    ----------
    model : str
        Model bundle: a folder, or the name of a shipped one.
    provider : str
        Where the network runs.
    seed : int
        Random seed of sources and background.
    sfreq_hz : float
        Sampling rate in Hz: 80 for models that take too long for more.
    quick : bool
        Sources in a quarter of the regions only, in a minute.
    output : Path
        Folder for report.md, report.png and report.json.
    json_ : bool
        Print everything as a JSON object on the last line.
    """
    from convdip.prove.report import MARKDOWN, summary
    from convdip.prove.run import prove as run_proof

    exit_on_termination()
    show = status_printer()
    found = run_proof(model, provider, seed, sfreq_hz, output, show, is_quick=quick)
    if json_:
        print(json.dumps(found))
    else:
        print(f"\n{summary(found)}\nreport      {output / MARKDOWN}")
    return 0 if found["ok"] else 1


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
    handler = SparingHandler(sys.stderr)
    handler.setFormatter(FlagsFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    settle_lsl()  # a command that is to be found in the network does so again
    if config is not None:
        tables, has_features = _read_settings(config)
        app.config = (Dict(tables, source=str(config)),)
        is_named = any(token.partition("=")[0] == "--features" for token in tokens)
        if has_features and tokens[:1] == ("run",) and not is_named:
            tokens = (*tokens, "--features", str(config))
    return app(tokens)


def _settle(*, network: bool) -> dict[str, str]:
    """Settle from where streams of this process are found, and see that LSL does as it was told."""
    config = settle_lsl(network=network)
    check_in_force(config)
    return config


def _rare_status() -> Callable[[str], None]:
    """Show the status once a second to a person, once a minute in a log file of eight hours."""
    return status_printer(period_s=0.0 if sys.stderr.isatty() else 60.0)


def _read_settings(path: Path) -> tuple[dict[str, Any], bool]:
    """Read a settings file, and refuse anything in it that no command would take as it is.

    Returns the tables of the commands, and whether there are features beside them.
    """
    tables = read_tables(path, "settings")
    has_features = tables.pop("feature", None) is not None
    commands = [name for name in app if not name.startswith("-")]
    for command, table in tables.items():
        if command not in commands:
            raise ConfigError(
                f"{path}: {command[:100]!r} is not a command: expected a table such as [run] with "
                f"the settings in it, of {', '.join(commands)}"
            )
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {command} is {shown_value(table)}: expected a table, [{command}]"
            )
        hints = _settings_of(command)
        for key, value in table.items():
            name = key.replace("-", "_")
            if name not in hints:
                raise ConfigError(
                    f"{path}: [{command}] has {key[:100]!r}: expected {', '.join(hints)}"
                )
            check_type(f"{path}: [{command}] {key}", value, hints[name], is_toml=True)
    return tables, has_features


def _settings_of(command: str) -> dict[str, Any]:
    """Return the annotation of each of a command's settings, by the name that files have."""
    hints = get_type_hints(app[command].default_command)
    if hints.pop("settings", None) is not None:
        hints = get_type_hints(Settings) | hints
    return {name.rstrip("_"): hint for name, hint in hints.items() if name != "return"}


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    with patient_stderr():
        try:
            code = app.meta()
        except ConvDipError as error:
            print(f"convdip: {in_a_line(error)}", file=sys.stderr)
            code = 2
        except KeyboardInterrupt:
            code = 130
        finally:
            # Not all of the process's handlers: some close streams that are not theirs.
            for handler in logging.getLogger().handlers:
                if isinstance(handler, SparingHandler):
                    handler.close()
            finish_stdout()
    sys.exit(code)


if __name__ == "__main__":
    main()
