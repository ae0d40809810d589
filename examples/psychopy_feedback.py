r"""Neurofeedback in PsychoPy: rest, then a circle that follows a region's rhythm.

    convdip run --input Amp --name Lab --band 8 12 --roi cuneus,pericalcarine \
        --rest-markers rest_begins rest_ends
    python examples/psychopy_feedback.py Lab

Needs pylsl and PsychoPy. It publishes ``Lab-Protocol``, markers by which the service knows when
to gather the baseline and a recorder when the participant regulates. Escape ends a part early.
"""

import argparse
import sys

import pylsl
from psychopy import core, event, visual

WHITE, GREEN, GREY = (1, 1, 1), (-0.6, 0.7, -0.4), (0.2, 0.2, 0.2)
STALE_S = 0.2  # a running service says within a tenth of a second that no EEG comes


def is_going_on(clock: core.Clock, seconds: float) -> bool:
    """Whether there is time left and nobody pressed Escape."""
    return clock.getTime() < seconds and not event.getKeys(["escape"])


def show_cross(window: visual.Window, seconds: float) -> None:
    """Give the eyes a place to rest."""
    visual.TextStim(window, "+", height=0.2).draw()
    window.flip()
    clock = core.Clock()
    while is_going_on(clock, seconds):
        core.wait(0.02)


def regulate(window: visual.Window, inlet: pylsl.StreamInlet, seconds: float) -> tuple[float, ...]:
    """Let the circle follow; return for which share of the frames it did, and was above."""
    circle = visual.Circle(window, radius=0.2, fillColor=GREY, lineColor=None, edges=128)
    inlet.flush()  # what came during the rest
    clock, row, n_frames, n_valid, n_above = core.Clock(), None, 0, 0, 0
    while is_going_on(clock, seconds):
        rows, stamps = inlet.pull_chunk(timeout=0.0)
        if rows:
            row, stamp = rows[-1], stamps[-1]
        value, valid, above = row[:3] if row else (0, 0, 0)
        if valid and pylsl.local_clock() - stamp < STALE_S:
            circle.radius = 0.05 + 0.35 * value
            circle.fillColor = GREEN if above else WHITE
            n_valid, n_above = n_valid + 1, n_above + bool(above)
        else:
            circle.fillColor = GREY  # and as large as it was
        circle.draw()
        window.flip()
        n_frames += 1
    return n_valid / max(1, n_frames), n_above / max(1, n_frames)


def main() -> None:
    """Show the cross, then the circle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the service's --name")
    parser.add_argument("--rest", type=float, default=60, help="seconds of rest")
    parser.add_argument("--seconds", type=float, default=120, help="seconds of feedback")
    arguments = parser.parse_args()

    name = f"{arguments.name}-Protocol"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    found = pylsl.resolve_byprop("name", f"{arguments.name}-Feedback", timeout=5)
    if not found:
        sys.exit(f"no stream {arguments.name}-Feedback: does the service run with --roi?")
    if not outlet.wait_for_consumers(10):
        sys.exit(f"no one listens to {name}: does the service run with --rest-markers?")
    inlet = pylsl.StreamInlet(found[0], processing_flags=pylsl.proc_clocksync)
    inlet.open_stream(timeout=5)

    # In the laboratory: fullscr=True.
    window = visual.Window((800, 800), units="height", color=(-1, -1, -1), checkTiming=False)
    show_cross(window, 2)  # to settle
    outlet.push_sample(["rest_begins"])
    show_cross(window, arguments.rest)
    outlet.push_sample(["rest_ends"])
    outlet.push_sample(["regulate_begins"])
    followed, above = regulate(window, inlet, arguments.seconds)
    outlet.push_sample(["regulate_ends"])
    window.close()
    print(f"feedback in {followed:.0%} of the time, above the threshold in {above:.0%}")


if __name__ == "__main__":
    main()
