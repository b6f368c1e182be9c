# SPDX-License-Identifier: Apache-2.0
"""A plain program that computes what the card-fraud example must put out, from its input alone.

It reads a partition in order and knows nothing of Leat's code: one pass for the stateless stream,
one sort by time for the alerts. Runs of the pattern are kept as lists, the obvious way.
"""

import datetime
import hashlib
import hmac
import json

OUT_OF_ORDERNESS_MS = 5000
WITHIN_MS = 600_000
MASK_KEY = b"an example key, not a secret"


def milliseconds(text):
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    delta = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1000 + delta.microseconds // 1000


def clean(event):
    """What the stream `clean` makes of an event; None: filtered."""
    if not (event["status"] == "ok" and event["amount"] > 0.0):
        return None
    out = dict(event)
    out["amount_eur"] = event["amount"] * event["rate"]
    out["pan"] = hmac.new(MASK_KEY, event["pan"].encode(), hashlib.sha256).hexdigest()
    del out["cvv"], out["rate"]
    return out


class Card:
    """Runs of one card: lists of probes, those that still loop and those that wait."""

    def __init__(self):
        self.looping, self.waiting = [], []

    def feed(self, event, at):
        """The match that this event completes, or None."""
        self.looping = [r for r in self.looping if at - r[0][0] < WITHIN_MS]
        self.waiting = [r for r in self.waiting if at - r[0][0] < WITHIN_MS]
        if event["amount"] < 2.0:
            grown = [run + [(at, event)] for run in self.looping] + [[(at, event)]]
            self.waiting += [run for run in self.looping if len(run) >= 3]
            self.looping = grown
            return None
        if not event["amount"] > 500.0:
            return None
        ready = [
            run
            for run in self.waiting + self.looping
            if len(run) >= 3 and run[-1][1]["merchant"] != event["merchant"]
        ]
        self.waiting = [run for run in self.waiting if run not in ready]
        if not ready:
            return None
        # Earliest takes win, then the longest: run of the first start that takes every probe.
        best = min(ready, key=lambda run: ([at for at, _ in run] + [float("inf")],))
        earlier = [r for r in self.looping + self.waiting if r[0][0] < best[0][0]]
        if earlier:
            raise ValueError(
                "the input holds overlapping bursts, which this program does not judge"
            )
        self.looping, self.waiting = [], []
        return best + [(at, event)]


class Expected:
    """What one partition of the input must lead to."""

    def __init__(self, records):
        self.clean, self.alerts, self.dead, self.late = [], [], [], []
        watermark, waiting = float("-inf"), []
        for offset, _, _, value, _ in records:
            try:
                event = json.loads(value)
            except ValueError:
                self.dead.append(offset)
                continue
            at = milliseconds(event["paid_at"])
            if at <= watermark:
                self.late.append(offset)
                continue
            watermark = max(watermark, at - OUT_OF_ORDERNESS_MS - 1)
            out = clean(event)
            if out is not None:
                self.clean.append(out)
                waiting.append((at, offset, out))
        cards = {}
        for at, offset, event in sorted(waiting, key=lambda item: item[:2]):
            if at > watermark:
                break
            match = cards.setdefault(event["card_id"], Card()).feed(event, at)
            if match:
                self.alerts.append(
                    {
                        "pattern": "card-testing",
                        "key": event["card_id"],
                        "start": match[0][0],
                        "end": at,
                        "card": event["card_id"],
                        "probes": len(match) - 1,
                        "lost": event["amount"],
                        "events": {"probe": [taken for _, taken in match[:-1]], "drain": [event]},
                    }
                )
