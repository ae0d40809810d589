"""Loses the GPU under a service that runs on it, and prints what became of its samples as JSON.

Its arguments are the name of the streams and the provider.
"""

import ctypes
import json
import sys
import time

import convdip
import numpy as np
import pylsl
from convdip.live.sender import resolve
from convdip.sources.player import eeg_outlet
from convdip.streams import EventMessage, read_sources

# A kernel that ends with a fault, after which nothing of this process runs on the GPU any more.
TRAP = b"""
.version 7.0
.target sm_52
.address_size 64
.visible .entry fail() { trap; }
"""
RATE_HZ, N = 250.0, 500


def lose_gpu():
    """Let a kernel fail in the context that all of this process share."""
    cuda = ctypes.CDLL("libcuda.so.1")
    context, module, kernel = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    for call in (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0),
        lambda: cuda.cuCtxSetCurrent(context),
        lambda: cuda.cuModuleLoadData(ctypes.byref(module), TRAP),
        lambda: cuda.cuModuleGetFunction(ctypes.byref(kernel), module, b"fail"),
        lambda: cuda.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, None, None, None),
    ):
        assert call() == 0
    assert cuda.cuCtxSynchronize() != 0


def main():
    """Stream for two seconds; lose the GPU after half a second."""
    name, provider = sys.argv[1:]
    labels = convdip.load_bundle().head.channels
    outlet = eeg_outlet(name, labels, RATE_HZ, f"id-{name}")
    eeg_uv = np.random.default_rng(0).standard_normal((N, len(labels))).astype(np.float32) * 20
    frames, came_s = [], []

    def keep(frame):
        frames.append(frame)
        came_s.append(pylsl.local_clock())

    as_it_is = {"filter": False, "keep": True, "provider": provider}
    try:
        with convdip.Service(name, name, on_frame=keep, **as_it_is) as service:
            before = service.summary.provider
            events = pylsl.StreamInlet(resolve(f"{name}-Events", 60.0, settle_s=0.0))
            events.open_stream(timeout=60)
            assert outlet.wait_for_consumers(60)
            begin_s = pylsl.local_clock()
            for n, sample in enumerate(eeg_uv):
                time.sleep(max(0.0, begin_s + n / RATE_HZ - pylsl.local_clock()))
                outlet.push_chunk(sample[None], [begin_s + n / RATE_HZ])
                if n == N // 4:
                    lose_gpu()
            deadline = time.monotonic() + 60
            while service.health.n_published < N and not service.wait(0.01):
                assert time.monotonic() < deadline
            told = [EventMessage.from_json(text) for [text] in events.pull_chunk(timeout=0.5)[0]]
            found = resolve(f"{name}-Sources", 60.0, settle_s=0.0)
            stated = read_sources(pylsl.StreamInlet(found).info(timeout=60)).provenance.provider
    except convdip.ConvDipError as error:
        print(json.dumps({"before": before, "error": f"{type(error).__name__}: {error}"}))
        return
    summary = service.summary
    moments_nam = np.concatenate([frame.moments_nam for frame in frames])
    expected = convdip.Imager(labels, provider="cpu", precision="fp32")(eeg_uv).moments_nam
    found = {
        "before": before,
        "after": summary.provider,
        "stated": stated,
        "sent": N,
        "published": summary.published,
        "largest_difference": float(np.abs(moments_nam - expected).max() / expected.max()),
        "longest_wait_s": float(np.diff(came_s).max()),
        "events": [one.text for one in told if one.event == "network"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
