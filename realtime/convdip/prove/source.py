"""The simulated amplifier of the proof, a process of its own."""

from __future__ import annotations

import cyclopts

from convdip.bundle import load_bundle
from convdip.prove.session import plan_session, simulate_plan
from convdip.sources.signs import signs_for
from convdip.sources.simulator import play_session
from convdip.terminal import stop_on_signal

# The service, and the judge, who has connected to all that the service publishes by then.
N_CLIENTS = 2


def play(name: str, model: str, seed: int, sfreq_hz: float, quick: bool = False) -> None:
    """Stream a session once all listen, and stay until stopped.

    Parameters
    ----------
    name : str
        Of the stream.
    model : str
        Bundle whose head is used.
    seed : int
    sfreq_hz : float
    quick : bool
        In some regions only.
    """
    stop, bundle = stop_on_signal(), load_bundle(model)
    signs = signs_for(bundle.polarity)
    plan = plan_session(bundle.head, seed, sfreq_hz, signs, is_quick=quick)
    session = simulate_plan(plan, bundle.head, seed)
    # A service that is behind would lose what it has not read of a stream that ends.
    play_session(session, bundle.head, name, stop, n_clients=N_CLIENTS, stay=True)


if __name__ == "__main__":
    cyclopts.run(play)
