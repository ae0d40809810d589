"""Who may look, what a message may say, and what a slow page gets: over real connections."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from contextlib import ExitStack, suppress

import numpy as np
import pytest
from convdip.errors import DisplayError
from convdip.web.access import Access, is_loopback
from convdip.web.app import run_web
from convdip.web.client import MOST_IN_FLIGHT
from convdip.web.messages import MAP_HEADER, map_message, understand
from convdip.web.server import MOST_CLIENTS, PAGE
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PATIENCE_S = 90.0


@pytest.fixture
def served(publish, keep, serve, hand, shipped):
    """A server of a service that goes on."""
    publisher = publish()
    publisher.patch(hand(shipped.head), 5.0)
    keep(publisher.send)
    return serve(publisher.name)


def dial(served, query="", **how):
    return connect(f"ws://127.0.0.1:{served.port}/live{query}", compression=None, **how)


def get(served, path, **headers):
    link = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_S)
    link.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        link.putheader(name, value)
    link.endheaders()
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer, body


def hear(link, is_it):
    """Return the first message that is it; say that all up to it were drawn."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < deadline, "it never came"
        said = link.recv(timeout=PATIENCE_S)
        message = said if isinstance(said, bytes) else json.loads(said)
        if isinstance(message, dict) and message["kind"] == "now":
            link.send(json.dumps({"drawn": message["number"]}))
        if is_it(message):
            return message


def all_that_came(link):
    """Return the messages that wait to be read, and say nothing."""
    came = []
    with suppress(TimeoutError):
        while True:
            said = link.recv(timeout=1.0)
            came.append(said if isinstance(said, bytes) else json.loads(said))
    return came


def is_kind(kind):
    return lambda message: isinstance(message, dict) and message["kind"] == kind


def is_live(message):
    return is_kind("now")(message) and message["state"]["word"] == "LIVE"


def test_a_page_gets_the_head_the_map_and_the_numbers(served, hand, shipped):
    head, dipole = shipped.head, hand(shipped.head)
    with dial(served, max_size=2**24) as link:
        said = hear(link, is_kind("head"))
        assert said["n_dipoles"] == head.n_dipoles
        assert said["regions"] == list(head.atlas_names)
        levels = hear(link, lambda m: isinstance(m, bytes) and any(m[MAP_HEADER.size :]))
        link.send(json.dumps({"look": dipole}))
        link.send(json.dumps({"pin": int(head.atlas[dipole])}))
        now = hear(link, lambda m: is_live(m) and m["looked"])
        panels = hear(link, lambda m: is_kind("panels")(m) and m["course"] and m["regions"])
    number, stamp = MAP_HEADER.unpack(levels[: MAP_HEADER.size])
    strength = np.frombuffer(levels, np.int8, offset=MAP_HEADER.size)
    assert len(strength) == head.n_dipoles
    assert number <= now["number"]
    assert stamp <= now["sent_s"]
    assert int(strength.argmax()) == dipole
    assert now["looked"] == {"dipole": dipole, "value": pytest.approx(5.0), "unit": "nAm"}
    scale = now["scale"]
    assert (scale["limit"], scale["unit"], scale["words"]) == (5.0, "nAm", "rolling")
    assert panels["regions"][0][0] == "precentral-lh"
    assert panels["course"]["region"] == head.atlas[dipole]
    assert all(0 <= before <= 10.1 for before in panels["course"]["before_s"])


def test_only_the_pages_files_are_served_and_with_safe_headers(served):
    for path in PAGE:
        answer, body = get(served, path)
        assert answer.status == 200
        assert body
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/../access.py", "/%2e%2e/access.py", "//etc/passwd", "/page/main.js", "/main"):
        assert get(served, path)[0].status == 404


def test_foreign_names_and_pages_are_refused(served):
    own = f"127.0.0.1:{served.port}"
    for host in (own, f"localhost:{served.port}"):
        assert get(served, "/", Host=host)[0].status == 200
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", own + ".evil.example"):
        answer, body = get(served, "/", Host=host)
        assert answer.status == 403
        assert own.encode() in body
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}"):
        with pytest.raises(InvalidStatus, match="403"):
            dial(served, origin=origin)
    with dial(served, origin=f"http://{own}", max_size=2**24) as link:
        hear(link, is_live)
    for twice in ("Host", "Origin"):
        with socket.create_connection(("127.0.0.1", served.port), PATIENCE_S) as raw:
            raw.sendall(
                f"GET / HTTP/1.1\r\nHost: {own}\r\n{twice}: http://evil.example\r\n"
                f"{twice}: x\r\n\r\n".encode()
            )
            assert b" 40" in raw.recv(100)


def test_beyond_this_computer_a_token_is_asked_for(publish, serve, keep):
    publisher = publish()
    keep(publisher.send)
    served = serve(publisher.name, host="0.0.0.0")
    token = served.url.partition("#")[2]
    assert len(token) >= 20
    for wrong in ("", "?", "?" + token[:-1], "?" + token + "x", "?%ff"):
        with dial(served, wrong) as link, pytest.raises(ConnectionClosed, match="wrong token"):
            link.recv(timeout=PATIENCE_S)
    with dial(served, "?" + token, max_size=2**24) as link:
        hear(link, is_live)
    with pytest.raises(InvalidStatus, match="403"):
        dial(served, "?" + token, origin="http://evil.example")


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.20", False),
        ("localhost.evil.example", False),
    ],
)
def test_every_other_address_needs_a_token(host, is_own):
    assert is_loopback(host) == is_own
    access = Access.to(host, 8765)
    assert bool(access.token) != is_own
    assert access.token not in repr(access) or not access.token
    assert Access.to(host, 8765).token != access.token or is_own


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "{}",
        "3",
        '{"drawn": 0}',  # was never sent
        '{"drawn": null}',
        '{"drawn": true}',
        '{"drawn": 1e3}',
        '{"pin": -1}',
        '{"pin": "precentral-lh"}',
        '{"pin": NaN}',
        '{"pin": 1, "look": 2}',
        '{"run": 1}',
        b"\x00\x01",
        "x" * 300,
        '{"pin": ' + "1" * 200 + "}",
    ],
    ids=str,
)
def test_what_no_page_would_say_ends_the_connection_alone(served, said):
    with dial(served, max_size=2**24) as good, dial(served, max_size=2**24) as bad:
        hear(bad, is_kind("head"))
        bad.send(said)
        with pytest.raises(ConnectionClosed):
            hear(bad, lambda message: False)
        hear(good, is_live)


def test_numbers_beyond_the_head_ask_for_nothing(served):
    with dial(served, max_size=2**24) as link:
        hear(link, is_live)
        link.send('{"look": 99999999}')
        link.send('{"pin": 99999999}')
        assert hear(link, is_live)["looked"] is None
        assert hear(link, is_kind("panels"))["course"] is None


def test_a_flood_ends_the_connection(served):
    def pour(link):
        for _ in range(20_000):
            link.send('{"pin": null}')
        hear(link, lambda message: False)

    with dial(served, max_size=2**24) as link, pytest.raises(ConnectionClosed, match="too many"):
        pour(link)


@given(st.one_of(st.text(), st.binary()))
def test_any_message_is_understood_or_refused(said):
    try:
        [(key, value)] = understand(said).items()
    except ValueError:
        return
    assert key in ("drawn", "pin", "look", "show")
    assert value is None or value >= 0


@given(st.lists(st.floats(width=32), min_size=1))
def test_any_map_fits_a_byte_a_dipole(values):
    strength = np.array(values, np.float32)
    message = map_message(7, 1.5, strength)
    assert struct.unpack("<Id", message[:12]) == (7, 1.5)
    levels = np.frombuffer(message, np.int8, offset=12)
    assert len(levels) == len(values)
    assert np.abs(levels.astype(int)).max() <= 127
    finite = np.isfinite(strength)
    expected = np.clip(strength[finite], -1, 1)
    assert np.abs(levels[finite] / 127 - expected).max(initial=0) <= 0.5 / 127 + 1e-6


def test_a_slow_page_gets_the_newest_and_no_queue(served):
    with dial(served, max_size=2**24) as fast, dial(served, max_size=2**24) as slow:
        first = hear(slow, is_live)["number"]
        # Meanwhile another page gets all that it can draw.
        hear(fast, lambda message: is_live(message) and message["number"] > first + 60)
        waiting = [m["number"] for m in all_that_came(slow) if is_kind("now")(m)]
        assert 0 < len(waiting) <= MOST_IN_FLIGHT
        newest = hear(fast, is_live)["number"]
        slow.send(json.dumps({"drawn": waiting[-1]}))
        assert hear(slow, is_kind("now"))["number"] >= newest
        skipped = [client.n_skipped for client in served.server._clients]
    assert max(skipped) >= 50


def test_one_page_too_many_is_told_so(served):
    def is_let_in():
        with dial(served, max_size=2**24) as link, suppress(ConnectionClosed):
            return bool(hear(link, is_kind("head")))
        assert link.close_reason == f"{MOST_CLIENTS} pages are open: close one"
        return False

    with ExitStack() as others:
        for _ in range(MOST_CLIENTS):
            hear(others.enter_context(dial(served, max_size=2**24)), is_kind("head"))
        assert not is_let_in()
    deadline = time.monotonic() + PATIENCE_S
    while not is_let_in():
        assert time.monotonic() < deadline


def test_what_is_looked_for_is_told(serve, unique, publish):
    with dial(serve(unique + "Other")) as link:
        looking = hear(link, lambda m: is_kind("now")(m) and m["state"]["text"])
        assert looking["state"]["word"] == "WAITING"
        assert f"no stream {unique}Other-Sources" in looking["state"]["text"]
        publisher = publish()
        named = hear(link, lambda m: is_kind("now")(m) and "there are" in m["state"]["text"])
        assert f"{publisher.name}-Sources" in named["state"]["text"]


def test_mistakes_are_told(served, call, convdip, said):
    taken = convdip("web", "--port", served.port)
    nowhere = convdip("web", "--host", "192.0.2.7", "--port", 0)
    assert (taken.wait(PATIENCE_S), nowhere.wait(PATIENCE_S)) == (2, 2)
    assert f"--port {served.port} is taken" in said(0)
    assert "--port 0" in said(0)
    assert "192.0.2.7" in said(1)
    assert "--host" in said(1)
    assert "expected" in call("convdip", "web", "--port", 70_000).stderr
    assert "no-such-model" in call("convdip", "web", "--model", "no-such-model").stderr


def test_a_missing_extra_is_told(monkeypatch):
    import convdip.web.app as app

    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(DisplayError, match="scripts/install web"):
        run_web(None, None, "127.0.0.1", 0, lambda: True, print)
