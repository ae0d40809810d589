"""What chaos found: counts, what they have to be, and the verdict in Markdown."""

from __future__ import annotations

from collections import Counter

from convdip.machine import processor_name
from convdip.markdown import markdown_table
from convdip.streams import Event
from world import RATE_HZ

# A sender that is killed takes along what it had not handed over yet.
IN_FLIGHT_S = 0.3
# Before a loss is said, silence was waited out.
SILENCE_S = 6.0
GROWTH = {"memory_mb": 40.0, "threads": 8, "files": 8}
# What events say was not imaged although it came; what is missing came not, so it must not explain.
COUNTED = {Event.DROPPED: "dropped", Event.OVERFLOW: "lost"}
# At another rate than the stated one it is said that samples are lost, and not how many.
FULL_S = 10.0


def verdict(world, done, unrecovered, seed, minutes):
    """End the service and return all counts, and in `wrong` what they must not be."""
    account = world.account
    last_cost = world.cost() if world.is_alive else None
    is_well = world.is_alive and world.settle()
    summary = world.end() if is_well else {}
    own = [sender for sender in account.senders if sender.may_be_imaged]
    events = Counter(event.event for _, event in world.events)
    counted = sum(int(e.facts.get(COUNTED.get(e.event, ""), 0)) for _, e in world.events)
    unread = sum(int(e.facts.get("unread", 0)) for _, e in world.events)
    outages = outages_of(world.events) + world.reopened
    full = [(s - FULL_S, s + FULL_S) for s, e in world.events if e.event == Event.OVERFLOW]
    missing = [stamp for sender in own for stamp in sender.missing()]
    silences = [(begin_s - SILENCE_S, end_s) for begin_s, end_s in outages]
    in_outages = sum(any(a <= s <= b for a, b in silences) for s in missing)
    in_full = sum(any(a <= s <= b for a, b in full) for s in missing)
    at_ends = sum(len(s.samples) - 1 - s.last for s in own if s.published)
    in_flight = round(IN_FLIGHT_S * RATE_HZ) * (world.n_deaths + 1)
    found = {
        "minutes": minutes,
        "seed": seed,
        "machine": processor_name(),
        "faults": dict(sorted(done.items())),
        "sent": sum(len(sender.samples) for sender in own),
        "sent_before_taken": sum(min(s.published) if s.published else len(s.samples) for s in own),
        "sent_by_others": sum(len(s.samples) for s in account.senders if not s.may_be_imaged),
        "rows": account.n_rows,
        "valid": account.n_valid,
        "equal": account.n_equal,
        "different": account.n_different,
        "of_others": account.n_foreign,
        "largest_difference": account.largest_difference,
        "withheld": account.n_withheld,
        "withheld_rightly": account.n_rightly_withheld,
        "withheld_unsaid": world.unsaid(),
        "restamped": account.n_restamped,
        "stamps_not_finite": account.n_not_finite,
        "stamps_backwards": account.n_backwards,
        "without_row": len(missing),
        "without_row_in_outages": in_outages,
        "without_row_after": world.missing_after,
        "grown_mb_after": world.grown_after,
        "counted_in_events": counted,
        "while_full": in_full,
        "unaccounted": max(0, len(missing) - in_outages - max(counted, in_full)),
        "lost_at_ends": at_ends,
        "unread": unread,
        "lost_at_ends_unaccounted": max(0, at_ends - unread - in_flight),
        "events": dict(sorted(events.items())),
        "losses": events[Event.LOST],
        "returns": events[Event.BACK],
        "deaths": world.n_deaths,
        "skipped_by_senders": world.n_skipped,
        "missing_said": sum(int(e.facts.get("missing", 0)) for _, e in world.events),
        "unrecovered": unrecovered,
        "cost_first": world.first_cost,
        "cost_last": last_cost,
        "service": summary,
    }
    found["wrong"] = [*wrong_in(found, is_well, world), *dict.fromkeys(account.wrong)]
    return found


def outages_of(events):
    """Return begin and end of each outage, in LSL time."""
    found, begun = [], None
    for stamp, event in events:
        if event.event == Event.LOST:
            begun = stamp
        elif event.event == Event.BACK and begun is not None:
            found.append((begun, stamp))
            begun = None
    return found if begun is None else [*found, (begun, float("inf"))]


def wrong_in(found, is_well, world):
    """Return what must not be, in words."""
    service = found["service"]
    checks = [
        (
            not is_well,
            f"the service does not image any more (code {world.service.poll()}): {world.said()}",
        ),
        (found["different"], f"{found['different']} rows differ"),
        (found["of_others"], f"{found['of_others']} rows are of a stream that is not the input"),
        (found["unaccounted"], f"{found['unaccounted']} samples have neither row nor count"),
        (
            found["lost_at_ends_unaccounted"],
            f"{found['lost_at_ends_unaccounted']} samples before ends have neither",
        ),
        (found["withheld_unsaid"], f"{found['withheld_unsaid']} rows withheld without a word"),
        (found["stamps_not_finite"], f"{found['stamps_not_finite']} stamps are no number"),
        (found["unrecovered"], f"not imaged again after: {', '.join(found['unrecovered'])}"),
        (
            bool(service) and service["received"] != service["published"] + service["dropped"],
            "what was received was neither published nor dropped",
        ),
    ]
    first, last = found["cost_first"], found["cost_last"] or {}
    checks += [
        (last.get(what, 0) - first[what] > most, f"{what} grew from {first[what]} to {last[what]}")
        for what, most in GROWTH.items()
        if last
    ]
    return [words for is_wrong, words in checks if is_wrong]


def _table(header, rows):
    return markdown_table(header, [list(map(str, row)) for row in rows], padded=True)


def tell(found):
    """Return the report in Markdown."""
    cost = zip(found["cost_first"].items(), (found["cost_last"] or {}).values(), strict=False)
    counts = [
        (what.replace("_", " "), value)
        for what, value in found.items()
        if isinstance(value, int | float) and what not in ("minutes", "seed")
    ]
    parts = [
        f"# Chaos: {found['minutes']:g} minutes, seed {found['seed']}, {found['machine']}",
        _table(
            ("fault", "times", "MB more"),
            [(name, n, found["grown_mb_after"].get(name)) for name, n in found["faults"].items()],
        ),
        _table(("count", ""), counts),
        _table(("event", "times"), found["events"].items()),
        _table(("of the service", "first", "last"), [(k, a, b) for (k, a), b in cost]),
        "\n".join(f"- {words}" for words in found["wrong"]),
        "verdict: " + ("**not well**" if found["wrong"] else "well"),
    ]
    return "\n\n".join(filter(None, parts))
