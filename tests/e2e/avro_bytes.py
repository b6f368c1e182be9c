# SPDX-License-Identifier: Apache-2.0
"""The few lines of Avro that the end-to-end tests write records with themselves, so that Leat's
writer and reader are not only each other's witnesses."""

import struct


def long_bytes(number):
    folded, out = (number << 1) ^ (number >> 63), b""
    while folded > 0x7F:
        out += bytes([folded & 0x7F | 0x80])
        folded >>= 7
    return out + bytes([folded])


def text_bytes(text):
    data = text.encode()
    return long_bytes(len(data)) + data


def record(name, *fields):
    return {
        "type": "record",
        "name": name,
        "fields": [dict(zip(("name", "type", "default"), field)) for field in fields],
    }


def framed(number, data):
    return b"\x00" + struct.pack(">I", number) + data
