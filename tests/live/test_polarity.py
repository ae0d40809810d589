"""Sources of either sign: a rhythm's half-waves are imaged alike but for the sign, end to end."""

import json
import shutil
import signal
import time

import numpy as np
import pylsl
import pytest
from convdip import Imager, load_bundle
from convdip.bundle import sha256_of
from convdip.live.sender import resolve
from convdip.patches import cortex_only, patch_dictionary
from convdip.sources.player import eeg_outlet

SFREQ_HZ, RHYTHM_HZ, N_CYCLES = 200.0, 10.0, 6


@pytest.fixture(scope="module")
def linear(shipped, tmp_path_factory):
    """The folder of a bundle on the shipped head: sLORETA, silent on the medial wall."""
    from convdip_training.baselines.linear import to_onnx

    head = shipped.head
    field = head.lead_field.astype(float)
    gram = field @ field.T
    noise = 0.05 * np.trace(gram) / len(gram) * np.eye(len(gram))
    kernel = np.linalg.solve(gram + noise, field).T
    kernel /= np.sqrt(np.einsum("pe,ep->p", kernel, field))[:, None]
    kernel[~head.is_cortex] = 0
    folder = tmp_path_factory.mktemp("polarity") / "sLORETA"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(to_onnx(kernel))
    shutil.copy(shipped.path / "head.npz", folder)
    card = {
        "output": "sources: 5124 dipoles, linear, both signs, no scale",
        "sha256": {path.name: sha256_of(path.read_bytes()) for path in folder.iterdir()},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(params=["shipped", "linear"])
def both(request, linear, shipped):
    """A bundle of both polarities."""
    return shipped if request.param == "shipped" else load_bundle(linear)


def test_the_negative_of_eeg_gives_exactly_the_negative_of_its_map(both):
    imager = Imager(both.head.channels, model=both, provider="cpu")
    for n in (1, 2, 7, 64, 2 * imager.network.batch + 3):
        samples = (np.random.default_rng(n).standard_normal((n, 31)) * 20).astype(np.float32)
        plus, minus = imager(samples), imager(-samples)
        np.testing.assert_array_equal(minus.moments_nam, -plus.moments_nam)
        np.testing.assert_array_equal(minus.goodness_of_fit, plus.goodness_of_fit)
        assert plus.moments_nam.min() < 0 < plus.moments_nam.max()
        assert not plus.moments_nam[:, ~both.head.is_cortex].any()


def rhythm(head, dipole, rng):
    """Return EEG of a patch that oscillates in noise, in microvolts; its half-waves are opposite.

    Returns
    -------
    eeg_uv : ndarray, shape (n_cycles, 2, n_times in a half-wave, n_electrodes)
    """
    dipoles, triangles = cortex_only(head)
    patches = patch_dictionary(triangles, head.dipoles_m[dipoles], 3)
    seed = int(np.flatnonzero(dipoles == dipole)[0])
    topography_uv = head.lead_field[:, dipoles] @ patches[[seed]].toarray()[0] * 8e-3
    n = round(SFREQ_HZ / RHYTHM_HZ / 2)
    wave = np.sin(np.pi * (np.arange(n) + 0.5) / n)[:, None]
    noise = rng.standard_normal((N_CYCLES, n, 31)) * np.abs(topography_uv).max() / 20
    half = (wave * topography_uv + noise).astype(np.float32)
    return np.stack([half, -half], axis=1)


def send_and_collect(sender, client, samples):
    """Send samples in real time and return the maps of all of them."""
    stamps = pylsl.local_clock() + np.arange(len(samples)) / SFREQ_HZ
    for row, stamp in zip(samples, stamps, strict=True):
        time.sleep(max(0.0, stamp - pylsl.local_clock()))
        sender.push_chunk(row[None], [stamp])
    rows: list[np.ndarray] = []
    got: list[np.ndarray] = []
    deadline = time.monotonic() + 60
    while sum(len(ts) for ts in got) < len(samples):
        assert time.monotonic() < deadline, "the service's output stopped"
        chunk, ts = client.pull_chunk(timeout=0.2, max_samples=256, min_samples=1, as_numpy=True)
        rows.append(chunk)
        got.append(ts)
    np.testing.assert_array_equal(np.concatenate(got), stamps)
    return np.concatenate(rows)


def test_both_half_waves_of_a_rhythm_land_in_one_place(convdip, said, unique, prime, both, hand):
    head = both.head
    dipole = hand(head)
    eeg_uv = rhythm(head, dipole, np.random.default_rng(0))
    sender = eeg_outlet(unique, head.channels, SFREQ_HZ, f"id-{unique}")
    as_it_is = ("--no-filter", "--keep", "--model", both.path)
    service = convdip("run", "--input", unique, "--name", unique, *as_it_is)
    said(0, f"output {unique}-Sources")
    assert "one polarity" not in said(0)
    client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), recover=False)
    prime(sender, 31, client)
    moments_nam = send_and_collect(sender, client, eeg_uv.reshape(-1, 31))
    service.send_signal(signal.SIGINT)
    service.communicate(timeout=60)

    moments_nam = moments_nam.reshape(*eeg_uv.shape[:3], -1)
    positive, negative = moments_nam[:, 0], moments_nam[:, 1]
    # Samples may be imaged in batches of different sizes, which sum in another order.
    largest = np.abs(moments_nam).max()
    np.testing.assert_allclose(negative, -positive, rtol=0, atol=2e-6 * largest)
    crest = positive.shape[1] // 2
    strongest = head.strongest(positive[:, crest])
    np.testing.assert_array_equal(head.strongest(negative[:, crest]), strongest)
    errors_mm = np.linalg.norm(head.dipoles_m[strongest] - head.dipoles_m[dipole], axis=1) * 1e3
    assert np.median(errors_mm) < 15, errors_mm
    assert (positive[np.arange(N_CYCLES), crest, strongest] > 0).all()
    del sender


def test_a_model_of_one_polarity_is_told_once(convdip, said):
    service = convdip(
        "run",
        "--input",
        "nonesuch",
        "--wait-s",
        0.5,
        "--model",
        "convdip-paper",
        "--provider",
        "cpu",
    )
    service.communicate(timeout=60)
    words = (
        "convdip-paper was trained on sources of one polarity: for ongoing EEG use a model of both"
    )
    assert said(0).count(words) == 1
