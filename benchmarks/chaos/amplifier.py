"""An amplifier that errs when it is told to: python amplifier.py SETTINGS, as one JSON object.

Sends the EEG of a file again and again, and writes what it sends to a log, each sample before it
is sent. Each line on standard input is a JSON object that says how it errs from then on; `{}` ends
that. It ends with its input.
"""

import json
import os
import sys
import threading

import numpy as np
import pylsl

STEP_S = 0.004


def record_of(n_channels):
    """Return the layout of a sample in the log."""
    return np.dtype([("stamp", "f8"), ("eeg", "f4", (n_channels,))])


def outlet_of(asked):
    """Announce the stream as it was asked for."""
    labels, kind = asked["labels"], asked.get("format", "float32")
    info = pylsl.StreamInfo(
        asked["name"], "EEG", len(labels), asked["rate_hz"], kind, asked["source_id"]
    )
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", asked.get("unit", "microvolts"))
        channel.append_child_value("type", "EEG")
    return pylsl.StreamOutlet(info, max_buffered=30)


class Amplifier:
    """Sends samples when they are due, and errs.

    Errors: `value` in `channels` (a number, or "hold"), in one of `every` samples; `stamp` (a
    number, "hold", or what is added, as {"add": 1e6}); `pace` as a multiple of the rate; samples
    `together`, in seconds; `skip` so many samples once.
    """

    def __init__(self, asked):
        self.eeg = np.load(asked["eeg"]) * asked.get("gain", 1.0)
        self.rate_hz = asked["rate_hz"]
        self.outlet = outlet_of(asked)
        self.log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.record = record_of(len(asked["labels"]))
        self.place = asked.get("begin", 0)
        self.errors = {}
        self.last_stamp = pylsl.local_clock()
        self.begin_anew()

    def begin_anew(self):
        """Count what is due from now on."""
        self.begin_s, self.n_sent = pylsl.local_clock(), 0
        self.held_stamp, self.held = self.last_stamp, self.eeg[self.place % len(self.eeg)]

    def err(self, errors):
        """Err so from now on."""
        self.errors.pop("together", None)
        self.send_due()
        n_skipped = errors.pop("skip", 0)
        self.errors = errors
        self.begin_anew()
        self.place += n_skipped
        self.begin_s += n_skipped / self.rate_hz

    def send_due(self):
        """Send what is due."""
        rate_hz = self.rate_hz * self.errors.get("pace", 1.0)
        n = int((pylsl.local_clock() - self.begin_s) * rate_hz) - self.n_sent
        if n < max(1, self.errors.get("together", 0) * rate_hz):
            return
        sent = np.zeros(n, self.record)
        sent["stamp"] = self.begin_s + (self.n_sent + 1 + np.arange(n)) / rate_hz
        sent["eeg"] = self.eeg[(self.place + np.arange(n)) % len(self.eeg)]
        self.last_stamp = float(sent["stamp"][-1])
        self.spoil(sent)
        os.write(self.log, sent.tobytes())
        self.outlet.push_chunk(np.ascontiguousarray(sent["eeg"]), sent["stamp"].tolist())
        self.n_sent += n
        self.place += n

    def spoil(self, sent):
        """Put errors into samples."""
        if "value" in self.errors:
            value, channels = self.errors["value"], self.errors["channels"]
            which = (self.place + np.arange(len(sent))) % self.errors.get("every", 1) == 0
            for channel in channels:
                wrong = self.held[channel] if value == "hold" else float(value)
                sent["eeg"][which, channel] = wrong
        stamp = self.errors.get("stamp")
        if stamp == "hold":
            sent["stamp"] = self.held_stamp
        elif isinstance(stamp, dict):
            sent["stamp"] += stamp["add"]
        elif stamp is not None:
            sent["stamp"] = float(stamp)


def main():
    """Send until the input ends."""
    asked, orders = json.loads(sys.argv[1]), []

    def read():
        orders.extend(map(json.loads, iter(sys.stdin.readline, "")))
        orders.append(None)

    threading.Thread(target=read, daemon=True).start()
    amplifier, pause = Amplifier(asked), threading.Event()
    while True:
        while orders:
            order = orders.pop(0)
            if order is None:
                return
            amplifier.err(order)
        amplifier.send_due()
        pause.wait(STEP_S)


if __name__ == "__main__":
    main()
