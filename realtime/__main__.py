"""Command line ``convdip``: live EEG source imaging over LSL."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.config import Toml

from realtime.bundle import DEFAULT_MODEL, load_bundle
from realtime.config import RunConfig
from realtime.errors import ConfigError, ConvDipError
from realtime.network import Provider

app = App(
    name="convdip",
    help="Live EEG source imaging: an EEG stream in, 5,124 cortical dipoles out, over LSL.",
    version=lambda: version("convdip-realtime"),
    help_format="plaintext",
)

Json = Annotated[bool, Parameter(name="--json", negative="")]


@app.command
def demo(
    *,
    seconds: float = 20.0,
    model: str = DEFAULT_MODEL,
    provider: Provider = "auto",
    seed: int = 1,
    json_: Json = False,
) -> int:
    """Show that it works: simulated EEG with known sources, through the real service.

    Ends with code 1 when a sample was lost or the sources were not found.

    Example: convdip demo --seconds 15

    Parameters
    ----------
    seconds : float
        Length of the simulated session.
    model : str
        Model bundle: a folder, or the name of a shipped one.
    provider : str
        Where the network runs.
    seed : int
        Of the simulated session.
    json_ : bool
        Print the report as one JSON object on the last line.
    """
    from realtime.demo import run_demo

    _exit_on_termination()
    report = run_demo(model, seconds, seed, provider, _status_line())
    if json_:
        print(json.dumps({**asdict(report), "ok": report.ok}))
        return 0 if report.ok else 1
    print(
        f"\nsamples     {report.sent} sent since the client was connected, {report.received} "
        f"received, {report.lost} lost, {report.out_of_order} late or twice\n"
        f"sources     {report.n_sources}, found {report.error_mm_median:.1f} mm from their place "
        f"(median; by chance {report.error_mm_by_chance:.1f} mm)\n"
        f"age         {report.age_ms_median:.2f} ms median, {report.age_ms_p99:.2f} ms 99th "
        f"percentile (time stamp of an EEG sample → client has its sources)\n"
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
        Print the list as one JSON object.
    """
    from realtime.inlet import find_streams

    if not wait_s > 0:
        raise ConfigError(f"--wait-s is {wait_s:g}: expected a number above 0")
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
        print(f"no streams within {wait_s:g} s: is the amplifier's LSL app running?")
    for stream in () if json_ else found:
        print(
            "{name:30} {type:15} {channels:5} channels {sfreq_hz:8g} Hz  {hostname}".format(
                **stream
            )
        )
    return 0


@app.command
def run(
    *,
    settings: Annotated[RunConfig, Parameter(name="*")] = RunConfig(),  # noqa: B008
    json_: Json = False,
) -> int:
    """Image an EEG stream and publish its sources, until stopped with Ctrl-C.

    Example: convdip run --input MyAmplifier --name Lab1

    Parameters
    ----------
    settings : RunConfig
        All of them can also stand in the table [run] of a TOML file: convdip run --config
        lab.toml
    json_ : bool
        Print a summary as one JSON object at the end.
    """
    from pylsl import local_clock

    from realtime.health import Health
    from realtime.service import serve

    # A log file of eight hours wants a line a minute, a person one a second.
    show = _status_line(period_s=0.0 if sys.stderr.isatty() else 60.0)

    def on_status(health: Health) -> None:
        median, p99 = health.age_ms(50, 99)
        age = f"age {median:.2f} ms (p99 {p99:.2f})"
        if silence_s := health.silence_s(local_clock()):
            age = f"NO SAMPLE FOR {silence_s:.0f} s"
        show(
            f"{health.n_published} samples   {age}   "
            f"{health.n_gaps} gaps, {health.n_missing} samples missing in the input"
        )

    summary = serve(settings, _stop_on_signal(), on_status)
    if json_:
        print(json.dumps(summary))
    else:
        print("\nstopped: {published} samples published, {missing} missing".format(**summary))
    return 0


@app.command
def replay(
    file: Path,
    /,
    *,
    name: str = "Replay",
    loop: Annotated[bool, Parameter(negative="")] = False,
    speed: float = 1.0,
    unit: str | None = None,
    json_: Json = False,
) -> int:
    """Play a recording as an LSL EEG stream, in microvolts; it starts when a client listens.

    Example: convdip replay recording.edf --name MyAmplifier --loop

    Parameters
    ----------
    file : Path
        Any recording that MNE reads, or an XDF file.
    name : str
        Name of the stream.
    loop : bool
        Start again at the end.
    speed : float
        2 plays twice as fast, at twice the rate.
    unit : str
        What the file's numbers are, where it does not say or MNE takes them for volts.
    json_ : bool
        Print what was sent as one JSON object at the end.
    """
    from realtime.replay import replay_recording

    played = replay_recording(file, name, loop, speed, unit, _stop_on_signal(), _status_line())
    if json_:
        print(json.dumps(asdict(played)))
    return 0


@app.command
def simulate(
    *,
    name: str = "Simulation",
    seconds: float = 60.0,
    sfreq_hz: float = 500.0,
    seed: int = 1,
    model: str = DEFAULT_MODEL,
    json_: Json = False,
) -> int:
    """Stream simulated EEG with known sources; it starts when a client listens.

    The truth goes out beside it, as the marker stream NAME-Truth.

    Example: convdip simulate --name TestEEG --seconds 120

    Parameters
    ----------
    name : str
        Name of the stream.
    seconds : float
        Length, after two seconds without a source.
    sfreq_hz : float
        Sampling rate.
    seed : int
        Of the session.
    model : str
        Model bundle whose head model is used.
    json_ : bool
        Print what was sent as one JSON object at the end.
    """
    from realtime.simulation import play_session, simulate_session

    stop, show = _stop_on_signal(), _status_line()
    head = load_bundle(model).head
    session = simulate_session(head, seconds, sfreq_hz, seed)
    played = play_session(session, head, name, stop, show)
    if json_:
        print(json.dumps(asdict(played)))
    return 0


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> Any:
    """Launch a command.

    Parameters
    ----------
    config : Path
        TOML file with a table of settings for each command.
    verbose : bool
        Say more.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    if config is not None:
        _check_settings(config)
        app.config = (Toml(config, must_exist=True),)
    return app(tokens)


def _check_settings(path: Path) -> None:
    """Refuse a settings file with anything in it that no command would read."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"no settings at {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    unknown = [key for key in tables if key not in set(app)]
    if unknown:
        raise ConfigError(
            f"{path}: {unknown[0]!r} is not a command: expected a table such as [run] with the "
            "settings in it"
        )


def _stop_on_signal() -> Callable[[], bool]:
    """Return whether Ctrl-C or a termination signal has come."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop.is_set


def _exit_on_termination() -> None:
    """Let a termination signal end the program in order, as Ctrl-C does: no process is left."""

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def _status_line(period_s: float = 0.0) -> Callable[[str], None]:
    """Return a function that shows a line on stderr, over the last one on a terminal.

    Lines that come within ``period_s`` of the last one are left out.
    """
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    due = 0.0

    def show(line: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + period_s
            print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    return show


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    try:
        code = app.meta()
    except ConvDipError as error:
        print(f"convdip: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)


if __name__ == "__main__":
    main()
