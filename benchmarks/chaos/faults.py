"""Faults, each of some seconds: what is done to sender, stream, service and clients."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator

import psutil
from convdip.bench.trial import busy_cores
from convdip.streams import stream_name
from world import HERE, RATE_HZ, World

# After so long, what the service has not taken it will not take.
TAKEN_S = 6.0

Fault = Callable[[World], None]


def killed(world: World) -> None:
    """Let the sender crash and come back."""
    world.kill(world.amplifier)
    world.pump(world.rng.uniform(0.0, 3.0))
    world.amplifier = world.start_amplifier()


def killed_with_a_new_id(world: World) -> None:
    """Let it come back under another source id; where that is not taken, under the old one."""
    world.kill(world.amplifier)
    old_id = world.source_id
    world.source_id = f"{old_id}x"
    world.amplifier = world.start_amplifier("amplifier with a new id")
    if not world.settle(TAKEN_S):
        world.kill(world.amplifier)
        world.source_id = old_id
        world.amplifier = world.start_amplifier()


def frozen(world: World) -> None:
    """Let the sender hang, and then send all that was due."""
    world.amplifier.send_signal(signal.SIGSTOP)
    world.pump(world.rng.uniform(0.3, 5.0))
    world.amplifier.send_signal(signal.SIGCONT)


def hung_with_a_successor(world: World) -> None:
    """Let the sender hang, start another with the same id, and kill the old one later."""
    hung = world.amplifier
    hung.send_signal(signal.SIGSTOP)
    world.amplifier = world.start_amplifier("successor")
    world.settle(TAKEN_S)
    world.n_deaths += 1
    world.kill(hung)


def twin(world: World) -> None:
    """Announce another stream of the same name and id for a while."""
    other = world.start_amplifier("twin", may_be_imaged=False)
    world.wait_for_samples()
    world.pump(world.rng.uniform(1.0, 4.0))
    world.kill(other)


def twin_that_stays(world: World) -> None:
    """Let the sender end while its twin is there, which is another's."""
    other = world.start_amplifier("twin", may_be_imaged=False)
    world.wait_for_samples()  # one that comes only after the loss cannot be told from the sender
    world.pump(1.0)
    world.kill(world.amplifier)
    world.pump(4.0)
    world.kill(other)
    world.amplifier = world.start_amplifier()


def changed(world: World) -> None:
    """Let it come back with another description, and then as it was."""
    changes = world.rng.choice(
        [
            {"labels": world.labels[::-1]},
            {"labels": (*world.labels[:-1], "Iz")},
            {"rate_hz": 2 * RATE_HZ},
            {"format": "double64"},
            {"unit": "nanovolts"},
        ]
    )
    world.kill(world.amplifier)
    what = ", ".join(changes)
    other = world.start_amplifier(f"changed {what}", may_be_imaged=False, **changes)
    world.pump(world.rng.uniform(2.0, 4.0))
    world.kill(other)
    world.amplifier = world.start_amplifier()


def other_gain(world: World) -> None:
    """Let it come back with another gain, of which its description says nothing."""
    world.kill(world.amplifier)
    world.amplifier = world.start_amplifier("other gain", gain=world.rng.choice([0.01, 100.0]))
    world.pump(5.0)
    world.kill(world.amplifier)
    world.amplifier = world.start_amplifier()


def bad_values(world: World) -> None:
    """Let electrodes send no numbers, infinity, a rail, the same all the time; some, or all."""
    n = world.rng.choice([1, 3, len(world.labels)])
    channels = world.rng.sample(range(len(world.labels)), n)
    value = world.rng.choice(["nan", "inf", "-inf", "1e9", "3e38", "0", "375000", "hold"])
    world.tell(value=value, channels=channels, every=world.rng.choice([1, 1, 3]))
    world.pump(world.rng.uniform(0.5, 3.0))
    world.tell()


def log_storm(world: World) -> None:
    """Let electrodes fail and be good again, sample by sample."""
    world.tell(value="nan", channels=[4, 9], every=2)
    world.pump(4.0)
    world.tell()


def bad_stamps(world: World) -> None:
    """Let stamps be no numbers, stand still, run backwards, jump."""
    added = [{"add": by} for by in (-3.0, -1e6, 1e6, 7.5)]
    world.tell(stamp=world.rng.choice(["nan", "inf", "hold", *added]))
    world.pump(world.rng.uniform(0.1, 3.0))
    world.tell()


def wrong_rate(world: World) -> None:
    """Send more or fewer samples than the stream states."""
    world.tell(pace=world.rng.choice([0.5, 0.8, 0.98, 1.2, 4.0]))
    world.pump(world.rng.uniform(2.0, 5.0))
    world.tell()


def in_blocks(world: World) -> None:
    """Send up to a second of samples at a time."""
    world.tell(together=world.rng.uniform(0.1, 0.9))
    world.pump(world.rng.uniform(2.0, 5.0))
    world.tell()


def gaps(world: World) -> None:
    """Leave samples out."""
    for _ in range(world.rng.randint(1, 5)):
        world.tell(skip=world.rng.choice([1, 2, 10, 100]))
        world.pump(world.rng.uniform(0.1, 1.5))


def frozen_client(world: World) -> None:
    """Let a client hang, and kill it."""
    client = world.start(HERE / "clients.py", stream_name(world.name, "Sources"), 1)
    world.pump(2.0)
    client.send_signal(signal.SIGSTOP)
    world.pump(4.0)
    world.kill(client)


def killed_display(world: World) -> None:
    """Open the live cortex, let it hang, and kill it."""
    display = world.start_display()
    world.pump(8.0)
    display.send_signal(signal.SIGSTOP)
    world.pump(3.0)
    world.kill(display)


def log_reader_leaves(world: World) -> None:
    """Let nobody read the service's log any more, for good."""
    world.kill(world.log_reader)
    world.tell(value="nan", channels=[4], every=1)
    world.pump(2.0)
    world.tell()


def flood_of_clients(world: World) -> None:
    """Let many clients come and go."""
    which = world.rng.choice(["Sources", "Events", "Quality"])
    clients = world.start(HERE / "clients.py", stream_name(world.name, which), 25)
    world.pump(5.0)
    world.kill(clients)


def junk(world: World) -> None:
    """Send junk to the service's ports."""
    with contextlib.ExitStack() as stack:
        for kind, port in _ports(world.service.pid):
            for _ in range(10):
                line = stack.enter_context(socket.socket(socket.AF_INET, kind))
                line.settimeout(0.5)
                beginning = world.rng.choice(
                    [b"", b"LSL:streamfeed/110 x\r\n", b"LSL:fullinfo\r\n", b"LSL:shortinfo\r\n"]
                )
                with contextlib.suppress(OSError):
                    line.connect(("127.0.0.1", port))
                    line.send(beginning + os.urandom(world.rng.choice([1, 50, 1400])))
        world.pump(3.0)


def _ports(pid: int) -> Iterator[tuple[int, int]]:
    """Yield kind and number of the ports at which a process listens."""
    for line in psutil.Process(pid).net_connections("inet4"):
        if line.type == socket.SOCK_DGRAM or line.status == psutil.CONN_LISTEN:
            yield line.type, line.laddr.port


def busy(world: World) -> None:
    """Give all cores other work."""
    with busy_cores():
        world.pump(4.0)


def paused(world: World) -> None:
    """Let the service itself not get on."""
    os.kill(world.service.pid, signal.SIGSTOP)
    world.pump(world.rng.choice([0.3, 1.0, 3.0, 7.0]))
    os.kill(world.service.pid, signal.SIGCONT)


def hostile_streams(world: World) -> None:
    """Announce streams that lie about themselves; the sender is lost meanwhile, or not."""
    is_lost = world.rng.random() < 0.5
    if is_lost:
        world.kill(world.amplifier)
    liars = world.start(HERE / "hostile.py", world.name, world.rng.randrange(1000))
    world.pump(4.0)
    world.kill(liars)
    if is_lost:
        world.amplifier = world.start_amplifier()


FAULTS: tuple[Fault, ...] = (
    killed, killed_with_a_new_id, frozen, hung_with_a_successor, twin, twin_that_stays, changed,
    other_gain, bad_values, log_storm, bad_stamps, wrong_rate, in_blocks, gaps, frozen_client,
    flood_of_clients, junk, busy, paused, hostile_streams, killed_display, log_reader_leaves,
)  # fmt: skip
