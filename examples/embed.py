"""Image an EEG stream inside your own program, without or with published streams.

    python examples/embed.py MyAmplifier            # frames in your loop
    python examples/embed.py MyAmplifier --publish  # the whole service, which calls you back

Without an amplifier: ``convdip simulate --name MyAmplifier`` in another terminal.
"""

import argparse
import sys
from itertools import islice

import convdip

head = convdip.load_bundle().head


def show(frame: convdip.Frame) -> None:
    """Print the region of the strongest dipole, and what happened on the frame's way."""
    newest_nam = frame.moments_nam[-1]
    strongest = int(head.strongest(newest_nam))
    region = head.atlas_names[head.atlas[strongest]]
    trouble = f"   {frame.flags}" if frame.flags else ""
    print(f"{frame.timestamps[-1]:.3f} s   {region:30} {newest_nam[strongest]:6.1f} nAm{trouble}")


def main() -> None:
    """Show some frames."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="name of the EEG stream")
    parser.add_argument("--publish", action="store_true", help="publish Embedded-Sources, too")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="with --publish: how long")
    arguments = parser.parse_args()
    try:
        if not arguments.publish:
            for frame in islice(convdip.frames(input=arguments.input), arguments.frames):
                show(frame)
            return
        with convdip.Service(input=arguments.input, name="Embedded", on_frame=show) as service:
            service.wait(arguments.seconds)
        print(f"{service.summary.published} samples published")
    except convdip.ConvDipError as error:
        sys.exit(f"embed: {error}")


if __name__ == "__main__":
    main()
