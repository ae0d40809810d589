"""The page in a real browser: real streams, real clicks, keys and fingers, real pixels."""

from __future__ import annotations

import json
import re
import signal
import threading

import numpy as np
import pylsl
import pytest
from convdip.display.view import FOUR_VIEWS, project, surface
from convdip.feedback.features import Suspended
from convdip.patches import patch_dictionary
from convdip.streams import Event, power_info

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from websockets.sync.server import serve as serve_mute

COLOURED, GREY = 90, 30


def place_of(page, head, dipole, view=0):
    """Return where a dipole lies on the page's cortex, by the window's own projection."""
    size = page.get("cortex").rect
    width, height = size["width"] / 2, size["height"] / 2
    seen = project(surface(head, "inflated"), FOUR_VIEWS[view], width, height)
    x, y = seen.pixels[dipole]
    return x + view % 2 * width, y + view // 2 * height


def point_at(page, x, y):
    """Begin an action of the mouse with a move to a point of the cortex."""
    canvas = page.get("cortex")
    offsets = round(x - canvas.rect["width"] / 2), round(y - canvas.rect["height"] / 2)
    return ActionChains(page.driver, 50).move_to_element_with_offset(canvas, *offsets)


def press(page, key):
    ActionChains(page.driver).send_keys(key).perform()


def tiles(page):
    return page.get("tiles").text + "\n"


def n_coloured(page):
    return int((np.ptp(page.pixels(), axis=-1) > COLOURED).sum())


def test_a_known_source_is_hot_and_the_other_hemisphere_is_not(live, hand, shipped):
    dipole = hand(shipped.head)
    page, publisher, *_ = live(dipole)
    x, y = place_of(page, publisher.head, dipole)
    there, mirrored = (x, y), (page.get("cortex").rect["width"] - x, y)

    def is_right():
        hot, cold = page.hues(there, mirrored)
        return hot > COLOURED and cold < GREY

    page.until(is_right)
    page.until(lambda: page.text("regions").startswith("precentral-lh"))
    page.until(lambda: "goodness of fit\n90 %" in tiles(page))
    assert "samples lost\n0" in tiles(page)
    assert re.search(r"age on screen\n\d+\.\d ms", tiles(page))
    assert page.text("limit") == page.text("middle").replace("2.5", "5")
    assert page.complaints() == []


def test_hover_names_the_region_and_a_click_pins_it(live, hand, shipped):
    dipole = hand(shipped.head)
    page, publisher, *_ = live(dipole)
    x, y = place_of(page, publisher.head, dipole)
    point_at(page, x, y).perform()
    page.until(lambda: page.text("label").endswith("nAm"))
    found = re.fullmatch(
        r"precentral-lh {3}MNI (\S+), (\S+), (\S+) mm {3}(\S+) nAm", page.text("label")
    )
    *place, moment = (float(number.replace("−", "-")) for number in found.groups())
    assert np.linalg.norm(publisher.head.dipoles_m[dipole] * 1e3 - place) < 8
    assert moment == pytest.approx(5.0, abs=1.5)
    point_at(page, x, y).click().perform()
    page.until(lambda: page.text("pinned") == "precentral-lh: mean |moment|, nAm")
    page.until(lambda: (np.ptp(page.pixels("course"), axis=-1) > 50).sum() > 50)
    point_at(page, 3, 3).click().perform()
    page.until(lambda: page.text("pinned") == "click a region to plot its time course")
    assert page.text("label") == "" or not page.get("label").is_displayed()
    point_at(page, x, y).click().perform()
    page.until(lambda: page.text("pinned").startswith("precentral-lh"))
    press(page, Keys.ESCAPE)
    page.until(lambda: page.text("pinned").startswith("click a region"))
    publisher.moments_nam = np.full_like(publisher.moments_nam, -0.001)
    page.until(lambda: page.text("label").endswith(" 0.00 nAm"))


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_every_standard_view_shows_another_side(live, hand, shipped, by):
    page, *_ = live(hand(shipped.head))
    names = ("Four views", "Free", "Left", "Right", "Above", "Below", "Front", "Back")
    seen = []
    for number, name in enumerate(names, 1):
        if by == "mouse":
            page.button(name).click()
        else:
            press(page, str(number))
        page.until(lambda name=name: page.is_set(name))
        assert [page.is_set(other) for other in names].count(True) == 1
        seen.append(page.pixels())
    for i, one in enumerate(seen):
        assert all(np.abs(one - other).mean() > 2 for other in seen[:i])
    # The source of the left hemisphere is seen from the left alone.
    for name, is_seen in (("Left", True), ("Right", False)):
        page.button(name).click()
        page.until(lambda is_seen=is_seen: (n_coloured(page) > 50) == is_seen)


def test_surface_signs_and_threshold_by_buttons_and_keys(live, hand, shipped):
    page, publisher, *_ = live(hand(shipped.head), -5.0)
    page.until(lambda: n_coloured(page) > 50)
    x, y = place_of(page, publisher.head, hand(shipped.head))
    inflated = page.pixels()
    page.button("Pial").click()
    page.until(lambda: page.is_set("Pial") and np.abs(page.pixels() - inflated).mean() > 2)
    press(page, "i")
    page.until(lambda: page.is_set("Inflated") and page.hues((x, y))[0] > COLOURED)

    def blueness():
        red, _, blue = page.pixels()[round(y), round(x)]
        return blue - red

    assert blueness() < 0
    assert page.text("lowest") == "0"
    for toggle in (page.button("± Signs").click, lambda: press(page, "n")):
        toggle()
    page.until(lambda: page.text("lowest") == "0" and not page.is_set("± Signs"))
    press(page, "n")
    page.until(lambda: page.is_set("± Signs") and blueness() > 40)
    assert page.text("lowest").startswith("−")
    page.button("± Signs").click()
    page.until(lambda: blueness() < 0)

    sizes = []
    for change in (
        *[page.button("Threshold +").click] * 2,
        *[lambda: press(page, "[")] * 3,
    ):
        sizes.append(n_coloured(page))
        change()
        page.until(lambda: n_coloured(page) != sizes[-1])
    sizes.append(n_coloured(page))
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < sizes[3] < sizes[4] < sizes[5]


@pytest.mark.parametrize("kind", [interaction.POINTER_MOUSE, interaction.POINTER_TOUCH])
def test_a_drag_rotates_and_pins_nothing(live, hand, shipped, kind):
    dipole = hand(shipped.head)
    page, publisher, *_ = live(dipole)
    x, y = place_of(page, publisher.head, dipole)
    page.until(lambda: page.hues((x, y))[0] > COLOURED)
    box = page.get("cortex").rect
    action = ActionBuilder(page.driver, mouse=PointerInput(kind, kind), duration=50)
    pointer = action.pointer_action
    pointer.move_to_location(round(box["x"] + x), round(box["y"] + y)).pointer_down()
    for step in range(1, 5):
        pointer.move_to_location(round(box["x"] + x + 90 * step), round(box["y"] + y))
    pointer.pointer_up()
    action.perform()
    # Half a turn: the hemisphere is alone, seen from its other side.
    page.until(lambda: not page.is_set("Four views") and n_coloured(page) < 50)
    assert page.text("pinned").startswith("click a region")
    page.button("Four views").click()
    page.until(lambda: page.hues((x, y))[0] > COLOURED)


def test_a_tap_names_and_pins(live, hand, shipped):
    dipole = hand(shipped.head)
    page, publisher, *_ = live(dipole)
    x, y = place_of(page, publisher.head, dipole)
    box = page.get("cortex").rect
    finger = PointerInput(interaction.POINTER_TOUCH, "finger")
    action = ActionBuilder(page.driver, mouse=finger, duration=50)
    to = round(box["x"] + x), round(box["y"] + y)
    action.pointer_action.move_to_location(*to).pointer_down().pointer_up()
    action.perform()
    page.until(lambda: page.text("pinned").startswith("precentral-lh"))
    page.until(lambda: page.text("label").startswith("precentral-lh"))


def test_arrows_and_the_wheel_move_the_cortex_that_has_the_focus(live, hand, shipped):
    page, *_ = live(hand(shipped.head))
    page.button("Left").click()
    page.until(lambda: n_coloured(page) > 50)
    before = n_coloured(page)
    canvas = page.get("cortex")
    ActionChains(page.driver, 50).scroll_from_origin(
        ScrollOrigin.from_element(canvas), 0, -400
    ).perform()
    page.until(lambda: n_coloured(page) > 1.3 * before)
    press(page, Keys.ARROW_LEFT)  # the focus is elsewhere
    assert page.is_set("Left")
    page.driver.execute_script("arguments[0].focus()", canvas)
    for _ in range(18):
        press(page, Keys.ARROW_LEFT)
    page.until(lambda: not page.is_set("Left") and n_coloured(page) < 50)
    for key in "--++":
        press(page, key)


def test_what_is_stale_is_grey_with_a_banner_until_it_goes_on(live, hand, shipped, keep):
    page, publisher, heart, _ = live(hand(shipped.head))
    page.until(lambda: n_coloured(page) > 50)
    heart.rest()
    page.until(lambda: page.word == "STALE" and "no sample for" in page.banner)
    page.until(lambda: n_coloured_below(page) == 0)
    keep(publisher.send)
    page.until(lambda: page.word == "LIVE" and page.banner == "" and n_coloured(page) > 50)


def n_coloured_below(page):
    """Return how much is coloured below the banner, which is."""
    banner, cortex = page.get("banner").rect, page.get("cortex").rect
    below = page.pixels()[round(banner["y"] + banner["height"] - cortex["y"]) + 1 :]
    return int((np.ptp(below, axis=-1) > COLOURED).sum())


def test_no_estimates_are_told_with_their_reason(live, hand, shipped):
    page, publisher, *_ = live(hand(shipped.head))
    publisher.moments_nam = publisher.moments_nam * np.nan

    def is_told():  # whoever listens later does not hear what was said before
        publisher.events.say(Event.INVALID, "not valid", pylsl.local_clock(), reason="no signal")
        return page.banner == "INVALID: no estimates: no signal"

    page.until(is_told)
    publisher.moments_nam = np.zeros_like(publisher.moments_nam)
    page.until(lambda: page.word == "LIVE")
    assert page.complaints() == []


def test_a_lost_service_is_told_and_found_again(live, hand, shipped, publish, keep):
    page, publisher, heart, _ = live(hand(shipped.head))
    heart.rest()
    publisher._sources = publisher._quality = publisher.events = publisher._eeg = None
    page.until(lambda: page.word == "LOST" and "waiting for it to return" in page.banner)
    keep(publish().send)
    page.until(lambda: page.word == "LIVE")


def test_a_server_that_is_gone_is_told_and_found_again(live, hand, shipped, serve):
    page, publisher, _, served = live(hand(shipped.head))
    x, y = place_of(page, publisher.head, hand(shipped.head))
    point_at(page, x, y).click().perform()
    page.until(lambda: page.text("pinned").startswith("precentral-lh"))
    served.stop()
    page.until(lambda: page.word == "DISCONNECTED" and "no word from convdip web" in page.banner)
    page.until(lambda: n_coloured_below(page) == 0)
    serve(publisher.name, port=served.port)
    page.until(lambda: page.word == "LIVE" and page.hues((x, y))[0] > COLOURED)
    # What was pinned still is, with a new server.
    page.until(lambda: (np.ptp(page.pixels("course"), axis=-1) > 50).sum() > 50)


def test_a_server_that_says_nothing_is_given_up_and_told_nothing_of_the_last(live, hand, shipped):
    page, _, _, served = live(hand(shipped.head))
    served.stop()
    heard = []

    def listen(connection):
        heard.append([])
        heard[-1].extend(connection)

    with serve_mute(listen, "127.0.0.1", served.port) as mute:
        threading.Thread(target=mute.serve_forever).start()
        page.until(lambda: len(heard) > 1 and heard[0])
        assert page.word == "DISCONNECTED"
        mute.shutdown()
    assert heard[0] == ['{"pin":null}']


def test_the_command_serves_hangs_and_ends(
    publish, keep, browse, convdip, said, unique, hand, shipped
):
    publisher = publish()
    publisher.patch(hand(shipped.head), 5.0)
    keep(publisher.send)
    command = convdip("web", "--name", unique, "--port", 0, "--json")
    url = re.search(r"open (http://127\.0\.0\.1:\d+/)", said(0, "/\n")).group(1)
    page = browse(url)
    page.until(lambda: page.word == "LIVE" and n_coloured(page) > 50)
    command.send_signal(signal.SIGSTOP)
    page.until(lambda: page.word == "DISCONNECTED" and "no word" in page.banner)
    page.until(lambda: n_coloured_below(page) == 0)
    command.send_signal(signal.SIGCONT)
    page.until(lambda: page.word == "LIVE" and n_coloured(page) > 50)
    command.send_signal(signal.SIGINT)
    summary = json.loads(command.communicate(timeout=60)[0])
    assert command.returncode == 0
    assert summary["name"] == unique
    assert summary["samples"] > 0
    assert sum(shown["frames"] for shown in summary["pages"]) > 10
    page.until(lambda: page.word == "DISCONNECTED")


def test_the_gauge_follows_the_feedback(live, hand, shipped, feedback):
    page, *_ = live(hand(shipped.head))
    section = page.get("feedback")
    page.until(lambda: section.is_displayed() and page.text("value") == "0.50")
    assert page.text("mark") == "0.75"
    feedback.value, feedback.above = 0.9, True
    gauge = page.get("gauge")

    def told():  # at times it is grey: on a busy computer, feedback comes late
        return (
            page.text("value"),
            section.get_attribute("data-is"),
            gauge.get_attribute("aria-valuenow"),
        )

    page.until(lambda: told() == ("0.90", "above", "0.90"))

    def share():
        return page.height("column") / page.height("gauge")

    assert share() == pytest.approx(0.9, abs=0.05)
    assert page.text("block") == "up"
    page.until(lambda: page.text("score") not in ("–", "0 %"))
    feedback.reason = Suspended.ARTEFACT
    page.until(lambda: page.text("why") == "eyes or muscle")
    assert section.get_attribute("data-is") == "grey"
    assert gauge.get_attribute("aria-valuenow") is None
    assert share() == pytest.approx(0.9, abs=0.05)  # it stands still


def test_what_streams_say_is_never_taken_for_html(live, hand, shipped):
    page, publisher, *_ = live(hand(shipped.head))
    evil = "<img src=x onerror=\"document.title='taken'\"><b>gap</b>"

    def is_told():  # whoever listens later does not hear what was said before
        publisher.events.say(Event.GAP, evil, pylsl.local_clock())
        return evil in page.text("news")

    page.until(is_told)
    assert page.driver.find_elements("css selector", "img, b") == []
    assert page.driver.title == "ConvDip: live cortex"


def test_names_roles_and_the_keyboard_reach_everything(live, hand, shipped):
    page, *_ = live(hand(shipped.head))
    buttons = page.driver.find_elements("tag name", "button")
    assert all(button.accessible_name for button in buttons)
    assert len({button.accessible_name for button in buttons}) == len(buttons)
    assert all(button.get_attribute("aria-keyshortcuts") for button in buttons)
    assert page.get("state").aria_role == "status"
    reached = set()
    for _ in range(len(buttons) + 2):
        press(page, Keys.TAB)
        focused = page.driver.switch_to.active_element
        reached.add(focused.accessible_name)
    assert {button.accessible_name for button in buttons} <= reached
    assert any(name.startswith("Cortex") for name in reached)
    button = page.button("Pial")
    button.send_keys(Keys.SPACE)
    page.until(lambda: page.is_set("Pial"))


def test_it_follows_the_browsers_theme_and_fits_small_screens(live, hand, shipped):
    page, *_ = live(hand(shipped.head))

    def lightness(theme):
        feature = {"name": "prefers-color-scheme", "value": theme}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        return lambda: page.pixels()[2, -2].mean()

    dark = lightness("dark")
    page.until(lambda: dark() < 40)
    light = lightness("light")
    page.until(lambda: light() > 230)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.until(lambda: page.get("cortex").rect["width"] < 390)
        overflow = page.driver.execute_script(
            "return document.documentElement.scrollWidth - innerWidth"
        )
        assert overflow <= 0
        assert min(b.rect["height"] for b in page.driver.find_elements("tag name", "button")) >= 44
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_each_moment_or_the_power_of_a_band_is_chosen(publish, serve, keep, browse, hand):
    publisher = publish()
    head = publisher.head
    publisher.patch(hand(head), 5.0)
    left = hand(head)
    mirrored = np.where(np.arange(head.n_dipoles) >= head.n_left, head.inflated_m[:, 0], -np.inf)
    rhythmic = int(mirrored.argmax())  # on the right hemisphere, seen from its side
    shape = patch_dictionary(head.triangles, head.dipoles_m, 5)[[rhythmic]].toarray()[0]
    power = pylsl.StreamOutlet(
        power_info(publisher.name, head, 1.0, publisher.provenance, (8.0, 13.0))
    )

    def beat():
        publisher.send()
        power.push_sample((shape * 8).astype(np.float32), pylsl.local_clock())

    keep(beat)
    page = browse(serve(publisher.name).url)
    page.until(lambda: page.word == "LIVE")
    views = Select(page.get("views"))
    page.until(lambda: views.first_selected_option.text == "alpha, mu: 8–13 Hz")
    of_moment = place_of(page, head, left)
    of_rhythm = place_of(page, head, rhythmic, 1)

    def shows(hot, cold):
        return lambda: [hue > COLOURED for hue in page.hues(hot, cold)] == [True, False]

    page.until(shows(of_rhythm, of_moment))
    assert page.text("what") == "8–13 Hz over 1 s, nAm"
    point_at(page, *of_rhythm).perform()
    page.until(lambda: page.text("label").endswith("nAm RMS"))
    views.select_by_visible_text("each moment")
    page.until(shows(of_moment, of_rhythm))
    press(page, "v")
    page.until(shows(of_rhythm, of_moment))
    assert views.first_selected_option.text == "alpha, mu: 8–13 Hz"
    assert page.complaints() == []


def test_without_the_token_the_page_says_what_to_open(publish, serve, keep, browse):
    publisher = publish()
    keep(publisher.send)
    served = serve(publisher.name, host="0.0.0.0")
    bare = f"http://127.0.0.1:{served.port}/"
    page = browse(bare)
    page.until(lambda: "open the whole address" in page.banner)
    page = browse(bare + "#" + served.url.partition("#")[2])
    page.until(lambda: page.word == "LIVE")


def test_another_sites_page_cannot_look(live, hand, shipped):
    page, _, _, served = live(hand(shipped.head))
    page.driver.get("about:blank")
    answer = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "const socket = new WebSocket(arguments[0]);"
        "socket.onmessage = () => done('heard'); socket.onclose = () => done('closed');",
        f"ws://127.0.0.1:{served.port}/live",
    )
    assert answer == "closed"
