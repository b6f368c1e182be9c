#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes transforms/zones.inc from the system's time zone files (public domain,
www.iana.org/time-zones):

    script/zones.py [FOLDER] > transforms/zones.inc

ZONE(name, rule, last, offsets, history): until `last` (seconds since 1970, UTC) the history holds,
behind it the rule, a TZ string of POSIX. The history is a row of changes, each the time since the
one before (the first: since 1800-01-01) in base 36 and the offset that begins, as a letter; a time
is in units of 1800 s, or of seconds behind a point. Until the first change offset A holds.
LINK(name, target) is another name of a zone. Both lists are in the order of their names."""
import os
import struct
import sys

START = -5364662400  # 1800-01-01
HORIZON = 4102444800  # 2100-01-01
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read_zone(data):
    """(initial offset, [(time, offset)], rule) of a TZif file, version 2 or later."""
    def header(at):
        magic, version, *counts = struct.unpack(">4sc15x6l", data[at:at + 44])
        assert magic == b"TZif" and version >= b"2"
        return counts
    utc, std, leap, times, types, chars = header(0)
    at = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc
    utc, std, leap, times, types, chars = header(at)
    at += 44
    moments = struct.unpack(f">{times}q", data[at:at + 8 * times])
    at += 8 * times
    indexes = data[at:at + times]
    at += times
    offsets = [struct.unpack(">lBB", data[at + 6 * i:at + 6 * i + 6])[0] for i in range(types)]
    at += 6 * types + chars + leap * 12 + std + utc
    rule = data[at:].strip(b"\n").decode()
    return offsets[0], [(m, offsets[i]) for m, i in zip(moments, indexes)], rule


def read_number(text, signed):
    at = 0
    while at < len(text) and (text[at].isdigit() or text[at] in ":+-"):
        at += 1
    parts = text[:at].lstrip("+-").split(":")
    seconds = sum(int(part) * unit for part, unit in zip(parts, (3600, 60, 1)))
    return (-seconds if text[:1] == "-" else seconds), text[at:]


def read_name(text):
    if text.startswith("<"):
        return text[text.index(">") + 1:]
    at = 0
    while at < len(text) and text[at].isalpha():
        at += 1
    return text[at:]


def days_from_civil(year, month, day):
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def rule_day(text, year):
    """Seconds since 1970 at which the change named by e.g. M3.5.0/2 happens, by the wall clock."""
    date, _, clock = text.partition("/")
    seconds = read_number(clock, True)[0] if clock else 7200
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if date[0] == "J":
        day = int(date[1:])
        days = days_from_civil(year, 1, 1) + day - 1 + (leap and day >= 60)
    elif date[0] != "M":
        days = days_from_civil(year, 1, 1) + int(date)
    else:
        month, week, weekday = map(int, date[1:].split("."))
        first = days_from_civil(year, month, 1)
        days = first + (weekday - (first + 4)) % 7 + (week - 1) * 7
        after = days_from_civil(year + month // 12, month % 12 + 1, 1)
        while days >= after:
            days -= 7
    return days * 86400 + seconds


def rule_offset(rule, time):
    text = read_name(rule)
    standard, text = read_number(text, True)
    standard = -standard
    if not text:
        return standard
    text = read_name(text)
    summer = standard + 3600
    if text and text[0] != ",":
        summer, text = read_number(text, True)
        summer = -summer
    _, start, end = text.split(",")
    year = 1970 + int((time + standard) // 31556952)
    for candidate in (year + 1, year, year - 1):  # the last change before `time`
        changes = [(rule_day(start, candidate) - standard, summer),
                   (rule_day(end, candidate) - summer, standard)]
        for moment, offset in sorted(changes, reverse=True):
            if moment <= time:
                return offset
    return standard


def rule_holds(rule, offset, start, end):
    """Does the rule give this offset at all times between? Twice a week is often enough."""
    return all(rule_offset(rule, time) == offset for time in [*range(start, end, 302400), end - 1])


def base36(number):
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
        if number == 0:
            return text


def encode(before, changes, rule):
    changes = [c for c in changes if START < c[0] < HORIZON]
    kept = len(changes)
    last = changes[-1][0] + 1 if changes else START  # behind it the rule holds by definition
    while kept > 0 and rule_holds(rule, changes[kept - 1][1], changes[kept - 1][0], last):
        kept -= 1
        last = changes[kept][0]
    if kept == 0 and "," not in rule and rule_offset(rule, START) == before:
        last = START
    offsets = [before]
    history = ""
    at = START
    for moment, offset in changes[:kept]:
        if offset not in offsets:
            offsets.append(offset)
        gap = moment - at
        unit = base36(gap // 1800) if gap % 1800 == 0 else "." + base36(gap)
        history += unit + LETTERS[offsets.index(offset)]
        at = moment
    return last, " ".join(map(str, offsets)), history


def literal(text, indent):
    room = 100 - len(indent) - 3
    pieces = [text[i:i + room] for i in range(0, len(text), room)] or [""]
    return ("\n" + indent).join(f'"{piece}"' for piece in pieces)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/zoneinfo"
    zones = {}
    links = []
    by_content = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {"posix", "right"})
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                data = file.read()
            full = os.path.relpath(path, root)
            if not data.startswith(b"TZif") or full in ("localtime", "posixrules", "Factory"):
                continue
            by_content.setdefault(data, []).append((os.path.islink(path), full))
    for data, names in by_content.items():
        # The name that is no link; of several files the one in a continent.
        names.sort(key=lambda n: (n[0], "/" not in n[1], n[1].startswith(("US/", "Etc/")), n[1]))
        target = names[0][1]
        zones[target] = data
        links += [(name, target) for _, name in names[1:]]
    version = open(os.path.join(root, "tzdata.zi")).readline().split()[-1]
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Time zones as of {version}, written by script/zones.py, "
          "which tells how to read them. */")
    for name in sorted(zones):
        before, changes, rule = read_zone(zones[name])
        last, offsets, history = encode(before, changes, rule)
        print(f'ZONE("{name}", "{rule}", {last}, "{offsets}",\n     {literal(history, "     ")})')
    for name, target in sorted(links):
        print(f'LINK("{name}", "{target}")')


main()
