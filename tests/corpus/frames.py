# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Legal packets and captures for the tests: builders that checksum, and writers for pcap and pcapng."""

import ipaddress
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp(src, dst, sport, dport, seq, ack, flags, payload=b"", window=64240, options=b""):
    """An IP packet (IPv4 or IPv6 by the addresses)."""
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    assert len(options) % 4 == 0
    size = 20 + len(options) + len(payload)
    offset = (5 + len(options) // 4) << 12 | flags
    fields = [sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, window, 0, 0]
    pseudo = src.packed + dst.packed + struct.pack("!II", size, 6)
    fields[6] = checksum(pseudo + struct.pack("!HHIIHHHH", *fields) + options + payload)
    segment = struct.pack("!HHIIHHHH", *fields) + options + payload
    if src.version == 6:
        return struct.pack("!IHBB", 6 << 28, size, 6, 64) + src.packed + dst.packed + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, 0) + src.packed + dst.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment


def ethernet(packet):
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet


def pcap(path, frames, link=1, snap=262144):
    """frames: (nanoseconds since 1970, bytes), cut at the snap length."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snap, link))
        for when, data in frames:
            file.write(struct.pack("<IIII", when // 10**9, when % 10**9, len(data[:snap]), len(data)) + data[:snap])


def pcapng(path, frames, link=1):
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # if_tsresol: nanoseconds
    with open(path, "wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        file.write(block(1, struct.pack("<HHI", link, 0, 262144) + resolution))
        for when, data in frames:
            head = struct.pack("<IIIII", 0, when >> 32, when & 0xFFFFFFFF, len(data), len(data))
            file.write(block(6, head + data))


class Talk:
    """A conversation: sends segments for both sides, keeps sequence numbers and time."""

    def __init__(self, orig, resp, oport, rport, start, step=1_000_000):
        self.ends = [(orig, oport), (resp, rport)]
        self.next = [1000, 50000]
        self.now, self.step = start, step
        self.frames = []

    def send(self, side, flags, payload=b"", rewind=0, advance=True):
        """side 0 is the originator; rewind sends old sequence space again; advance False: lost before us."""
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        ack = self.next[1 - side] if flags & ACK else 0
        self.frames.append((self.now, tcp(src, dst, sport, dport, self.next[side] - rewind, ack, flags, payload)))
        self.now += self.step
        if advance and not rewind:
            self.next[side] += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def handshake(self):
        self.send(0, SYN)
        self.send(1, SYN | ACK)
        self.send(0, ACK)

    def close(self, first=0):
        self.send(first, FIN | ACK)
        self.send(1 - first, FIN | ACK)
        self.send(first, ACK)
