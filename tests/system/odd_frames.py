#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Hand-made Ethernet frames, at least one for every rule of the packet decoder.

    odd_frames.py --pcap FILE      writes them as a capture, one frame a second
    odd_frames.py --corpus FOLDER  writes each as a seed of the decoder's fuzz target
    odd_frames.py --list           prints number, name and length

The fuzz target reads two bytes before a frame (see tests/fuzz/fuzz_decode.c); --corpus writes them.
"""

import argparse
import os
import struct
import sys

MAC = bytes.fromhex("020000000002020000000001")
V4A, V4B = bytes([10, 1, 2, 3]), bytes([192, 0, 2, 77])
V6A = bytes.fromhex("20010db8000000000000000000000001")
V6B = bytes.fromhex("20010db80000000000000000000000ff")
TCP, UDP, ICMP, ICMP6, SCTP, DCCP, UDPLITE = 6, 17, 1, 58, 132, 33, 136


def eth(kind, payload):
    return MAC + struct.pack("!H", kind) + payload


def length_frame(payload, length=None):
    return MAC + struct.pack("!H", len(payload) if length is None else length) + payload


def ip4(proto, payload, total=None, words=5, version=4, flags=0, options=b"", ttl=64, tos=0,
        src=V4A, dst=V4B):
    if options:
        words = 5 + len(options) // 4
    total = 20 + len(options) + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH", version << 4 | words, tos, total, 7, flags, ttl, proto, 0)
    return head + src + dst + options + payload


def ip6(following, payload, length=None, version=6, src=V6A, dst=V6B, tos=0):
    length = len(payload) if length is None else length
    head = struct.pack("!IHBB", version << 28 | tos << 20, length, following, 63)
    return head + src + dst + payload


def tcp(sport=4000, dport=443, words=5, flags=0x18, options=b"", payload=b"hello"):
    return struct.pack("!HHIIBBHHH", sport, dport, 0x11223344, 5, words << 4, flags, 512, 0,
                       0) + options + payload


def udp(sport=5000, dport=9, payload=b"datagram", length=None):
    length = 8 + len(payload) if length is None else length
    return struct.pack("!HHHH", sport, dport, length, 0) + payload


def sctp(sport=36412, dport=38412):
    return struct.pack("!HHII", sport, dport, 1, 0) + bytes([3, 0, 0, 16]) + bytes(12)


def dccp(sport=5001, dport=5002):
    return struct.pack("!HHBBHBBHI", sport, dport, 6, 0, 0, 5 << 1 | 1, 0, 1, 2) + bytes(8)


def options6(following, words=0, body=None):
    size = words * 8 + 6
    return bytes([following, words]) + (body if body is not None else bytes([1, size - 2]) + bytes(
        size - 2))


def fragment6(following, offset=0, more=1):
    return struct.pack("!BBHI", following, 0, offset << 3 | more, 99)


def routing6(following, kind=4, words=2, left=0):
    return bytes([following, words, kind, left]) + bytes(4 + words * 8)


def authentication(following, words=4):
    return bytes([following, words, 0, 0]) + bytes(8 + (words - 1) * 4)


def vlan(tag, kind, payload):
    return struct.pack("!HH", tag, kind) + payload


def mpls(labels, payload):
    stack = b""
    for index, label in enumerate(labels):
        bottom = index == len(labels) - 1
        stack += struct.pack("!I", label << 12 | bottom << 8 | 64)
    return stack + payload


def pppoe(protocol, payload, length=None, code=0, kind=0x11):
    length = len(payload) + 2 if length is None else length
    return struct.pack("!BBHHH", kind, code, 7, length, protocol) + payload


def arp():
    return struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + MAC[6:] + V4A + bytes(6) + V4B


def vxlan(payload, flags=8):
    return bytes([flags, 0, 0, 0, 0, 0, 42, 0]) + payload


def gre(kind, payload, flags=0, version=0):
    head = struct.pack("!HH", flags | version, kind)
    head += bytes(4) if flags & 0x8000 else b""
    head += struct.pack("!I", 77) if flags & 0x2000 else b""
    head += struct.pack("!I", 3) if flags & 0x1000 else b""
    return head + payload


def gtp(payload, flags=0x30, kind=255, tail=b"", length=None):
    length = len(tail) + len(payload) if length is None else length
    return struct.pack("!BBHI", flags, kind, length, 0x1234) + tail + payload


def v4(proto, payload, **more):
    return eth(0x0800, ip4(proto, payload, **more))


def v6(proto, payload, **more):
    return eth(0x86DD, ip6(proto, payload, **more))


IP_TCP = ip4(TCP, tcp())
IP_UDP = ip4(UDP, udp())
IP6_TCP = ip6(TCP, tcp())
IP6_UDP = ip6(UDP, udp())
INNER = ip4(TCP, tcp(1111, 2222), src=bytes([172, 16, 0, 1]), dst=bytes([172, 16, 0, 2]))
INNER6 = ip6(UDP, udp(3333, 4444), src=V6B, dst=V6A)


def plain():
    yield "v4 tcp", eth(0x0800, IP_TCP)
    yield "v4 udp", eth(0x0800, IP_UDP)
    yield "v6 tcp", eth(0x86DD, IP6_TCP)
    yield "v6 udp", eth(0x86DD, IP6_UDP)
    yield "v4 udplite", v4(UDPLITE, udp(71, 72, length=0))
    yield "v6 udplite", v6(UDPLITE, udp(73, 74, length=8))
    yield "v4 sctp", v4(SCTP, sctp())
    yield "v6 sctp", v6(SCTP, sctp())
    yield "v4 dccp", v4(DCCP, dccp())
    yield "v6 dccp", v6(DCCP, dccp())
    yield "v4 icmp echo", v4(ICMP, bytes([8, 0, 0, 0, 0, 1, 0, 1]) + b"ping")
    yield "v4 icmp error", v4(ICMP, bytes([3, 3, 0, 0, 0, 0, 0, 0]) + IP_UDP)
    yield "v4 icmp error tcp", v4(ICMP, bytes([11, 0, 0, 0, 0, 0, 0, 0]) + IP_TCP[:28])
    yield "v6 icmp", v6(ICMP6, bytes([135, 0, 0, 0, 0, 0, 0, 0]) + V6A)
    yield "v6 icmp error", v6(ICMP6, bytes([1, 4, 0, 0, 0, 0, 0, 0]) + IP6_UDP)
    yield "v4 igmp", v4(2, bytes([0x16, 0, 0, 0, 224, 0, 0, 251]))
    yield "v4 esp", v4(50, struct.pack("!II", 1, 2) + bytes(32))
    yield "v6 esp", v6(50, struct.pack("!II", 1, 2) + bytes(32))
    yield "v4 ospf", v4(89, bytes([2, 1, 0, 44]) + bytes(40))
    yield "v4 unknown", v4(253, bytes(16))
    yield "v6 unknown", v6(253, bytes(16))
    yield "v6 no next", v6(59, b"")
    yield "v6 no next, more", v6(59, bytes(16))
    yield "v4 empty", v4(253, b"")
    yield "v4 hopopts number", v4(0, options6(TCP) + tcp())
    yield "v4 dstopts number", v4(60, options6(TCP) + tcp())
    yield "v4 fragment number", v4(44, fragment6(TCP) + tcp())
    yield "v4 routing number", v4(43, routing6(TCP) + tcp())
    yield "v4 ah", v4(51, authentication(TCP) + tcp())
    yield "v4 ah udp", v4(51, authentication(UDP) + udp())
    yield "v4 ah ipip", v4(51, authentication(4) + INNER)
    yield "v4 trailer", eth(0x0800, IP_UDP) + bytes(18)
    yield "v4 trailer looks like ports", eth(0x0800, ip4(UDP, b"")) + udp()
    yield "v4 loose lengths", v4(TCP, tcp(words=15))
    yield "v4 ttl, tos", v4(UDP, udp(), ttl=1, tos=0xB8)
    yield "v6 tos", v6(UDP, udp(), tos=0xB8)
    yield "v4 port zero", v4(UDP, udp(0, 0))
    yield "arp", eth(0x0806, arp())
    yield "arp cut", eth(0x0806, arp()[:20])
    yield "arp very cut", eth(0x0806, arp()[:5])
    yield "arp odd sizes", eth(0x0806, struct.pack("!HHBBH", 1, 0x800, 8, 4, 1) + bytes(40))
    yield "arp big sizes", eth(0x0806, struct.pack("!HHBBH", 1, 0x800, 255, 4, 1) + bytes(40))
    yield "rarp", eth(0x8035, arp())
    yield "lldp", eth(0x88CC, bytes.fromhex("0207040200000000010403657468060200780000"))
    yield "loop", eth(0x9000, bytes(46))
    yield "unknown ethertype", eth(0x1234, IP_TCP)
    yield "experimental ethertype", eth(0x88B5, IP_TCP)
    yield "eapol", eth(0x888E, bytes([1, 1, 0, 0]))


def lengths4():
    for total in (0, 1, 19, 20, 21, 23, 24, 27, 28, 32, 39, 40, 44, 45, 46, 200, 65535):
        yield "v4 tcp total %d" % total, v4(TCP, tcp(), total=total)
        yield "v4 udp total %d" % total, v4(UDP, udp(payload=bytes(17)), total=total)
        yield "v4 icmp total %d" % total, v4(ICMP, bytes([8, 0]) + bytes(23), total=total)
    for words in range(16):
        yield "v4 ihl %d" % words, v4(TCP, tcp(payload=bytes(48)), words=words)
        yield "v4 ihl %d exact" % words, v4(UDP, udp(payload=b"")[:8], words=words)
        yield "v4 ihl %d total 20" % words, v4(UDP, udp(payload=bytes(48)), words=words, total=20)
    for version in range(16):
        yield "0800 version %d" % version, v4(TCP, tcp(payload=bytes(30)), version=version)
        yield "86dd version %d" % version, v6(TCP, tcp(payload=bytes(30)), version=version)
    yield "0800 holds v6", eth(0x0800, IP6_TCP)
    yield "86dd holds v4", eth(0x86DD, IP_TCP)
    yield "0800 holds short v6", eth(0x0800, IP6_TCP[:36])
    yield "86dd holds long v4", eth(0x86DD, ip4(TCP, tcp(payload=bytes(80))))
    whole = v4(TCP, tcp())
    for size in range(len(whole)):
        yield "v4 tcp first %d" % size, whole[:size]
    optional = v4(TCP, tcp(), options=bytes([1, 1, 1, 1, 7, 8, 0, 0, 0, 0, 0, 0]))
    for size in range(30, len(optional)):
        yield "v4 options first %d" % size, optional[:size]
    for kind in range(0, 256, 3):
        for length in (0, 1, 2, 3, 4, 7, 8, 12, 13, 40):
            body = bytes([kind, length]) + bytes(10)
            yield "v4 option %d length %d" % (kind, length), v4(TCP, tcp(), options=body)
    for kind in (7, 68, 130, 131, 134, 136, 137, 148):
        for length in range(0, 14):
            body = bytes([1, kind, length, 4]) + bytes(8)
            yield "v4 known option %d length %d" % (kind, length), v4(UDP, udp(), options=body)


def fragments():
    for proto, payload in ((TCP, tcp()), (UDP, udp()), (SCTP, sctp()), (ICMP, bytes(8))):
        yield "v4 first %d" % proto, v4(proto, payload, flags=0x2000)
        yield "v4 middle %d" % proto, v4(proto, payload, flags=0x2010)
        yield "v4 last %d" % proto, v4(proto, payload, flags=0x0010)
        yield "v4 dont %d" % proto, v4(proto, payload, flags=0x4000)
        yield "v4 evil %d" % proto, v4(proto, payload, flags=0x8000)
        yield "v6 first %d" % proto, v6(44, fragment6(proto) + payload)
        yield "v6 middle %d" % proto, v6(44, fragment6(proto, 5) + payload)
        yield "v6 last %d" % proto, v6(44, fragment6(proto, 5, 0) + payload)
        yield "v6 atomic %d" % proto, v6(44, fragment6(proto, 0, 0) + payload)
    for size in range(0, 9):
        yield "v4 first tcp with %d" % size, v4(TCP, tcp()[:size], flags=0x2000)
        yield "v4 first udp with %d" % size, v4(UDP, udp()[:size], flags=0x2000)
        yield "v6 first tcp with %d" % size, v6(44, fragment6(TCP) + tcp()[:size])
        yield "v6 first udp with %d" % size, v6(44, fragment6(UDP) + udp()[:size])
    yield "v6 first, options behind", v6(44, fragment6(60) + options6(UDP) + udp())
    yield "v6 middle, options behind", v6(44, fragment6(60, 4) + options6(UDP) + udp())
    yield "v6 atomic, options behind", v6(44, fragment6(60, 0, 0) + options6(UDP) + udp())
    yield "v6 two fragment headers", v6(44, fragment6(44) + fragment6(UDP) + udp())
    yield "v6 two, inner later", v6(44, fragment6(44) + fragment6(UDP, 3) + udp())
    yield "v6 reserved bits", v6(44, struct.pack("!BBHI", UDP, 255, 6, 1) + udp())
    for size in range(9):
        yield "v6 fragment cut %d" % size, v6(44, fragment6(UDP)[:size])


def extensions6():
    chain = options6(60) + options6(43, 1) + routing6(51) + authentication(UDP)
    yield "v6 hop, dst, routing, ah", v6(0, options6(60) + options6(43) + routing6(51)
                                         + authentication(UDP) + udp())
    yield "v6 dst", v6(60, options6(TCP) + tcp())
    yield "v6 hop", v6(0, options6(ICMP6) + bytes([143, 0]) + bytes(26))
    yield "v6 hop twice", v6(0, options6(0) + options6(UDP) + udp())
    yield "v6 hop not first", v6(60, options6(0) + options6(UDP) + udp())
    yield "v6 dst many", v6(60, b"".join(options6(60) for _ in range(7)) + options6(UDP) + udp())
    yield "v6 dst too many", v6(60, b"".join(options6(60) for _ in range(60)) + options6(UDP)
                                + udp())
    for count in range(8, 24):
        yield "v6 dst times %d" % count, v6(60, b"".join(options6(60) for _ in range(count - 1))
                                            + options6(UDP) + udp())
    yield "v6 dst long", v6(60, options6(TCP, 20) + tcp())
    for kind in (0, 1, 2, 3, 4, 5, 253):
        for words in (0, 1, 2, 3, 4, 6):
            for left in (0, 1, 2, 9):
                yield "v6 routing %d words %d left %d" % (kind, words, left), v6(
                    43, routing6(UDP, kind, words, left) + udp())
    for words in range(0, 7):
        yield "v6 ah %d" % words, v6(51, authentication(UDP, 4)[:1] + bytes([words])
                                     + authentication(UDP, 4)[2:] + udp() + bytes(24))
        yield "v4 ah words %d" % words, v4(51, authentication(UDP, 4)[:1] + bytes([words])
                                           + authentication(UDP, 4)[2:] + udp() + bytes(24))
    yield "v6 mobility", v6(135, bytes([59, 0, 0, 0, 0, 0, 0, 0]))
    yield "v6 mobility udp", v6(135, bytes([UDP, 0, 0, 0, 0, 0, 0, 0]) + udp())
    yield "v6 mobility bu", v6(135, bytes([59, 1, 5, 0, 0, 0, 0, 0]) + bytes(8))
    yield "v6 mobility bu udp", v6(135, bytes([UDP, 1, 5, 0, 0, 0, 0, 0]) + bytes(8) + udp())
    yield "v6 hip", v6(139, bytes([59, 4, 1, 0x21]) + bytes(36))
    yield "v6 hip udp", v6(139, bytes([UDP, 4, 1, 0x21]) + bytes(36) + udp())
    yield "v6 shim6", v6(140, bytes([59, 1, 0x40, 0]) + bytes(12))
    yield "v6 shim6 udp", v6(140, bytes([UDP, 1, 0x80, 0]) + bytes(12) + udp())
    yield "v6 shim6 payload udp", v6(140, bytes([UDP, 0, 0x80, 0, 0, 0, 0, 1]) + udp())
    for number in (253, 254):
        yield "v6 test %d" % number, v6(number, options6(UDP) + udp())
    yield "v6 hop, mobility", v6(0, options6(135) + bytes([59, 0, 0, 0, 0, 0, 0, 0]))
    yield "v6 hop no next", v6(0, options6(59))
    yield "v6 hop esp", v6(0, options6(50) + bytes(24))
    yield "v6 hop v4", v6(0, options6(4) + INNER)
    yield "v6 zero length", v6(UDP, udp(), length=0)
    yield "v6 zero length hop", v6(0, options6(UDP) + udp(), length=0)
    jumbo = bytes([UDP, 0, 0xC2, 4]) + struct.pack("!I", 8 + 16)
    yield "v6 jumbo", v6(0, jumbo + udp(), length=0)
    yield "v6 jumbo huge", v6(0, jumbo[:4] + struct.pack("!I", 70000) + udp(), length=0)
    yield "v6 jumbo small", v6(0, jumbo[:4] + struct.pack("!I", 9) + udp(), length=0)
    yield "v6 jumbo with length", v6(0, jumbo + udp())
    yield "v6 jumbo udp zero", v6(0, jumbo + udp(length=0), length=0)
    for length in (1, 3, 4, 7, 8, 12, 16, 100, 65535):
        yield "v6 udp length %d" % length, v6(UDP, udp(payload=bytes(20)), length=length)
        yield "v6 tcp length %d" % length, v6(TCP, tcp(), length=length)
        yield "v6 hop length %d" % length, v6(0, options6(UDP) + udp(), length=length)
        yield "v6 fragment length %d" % length, v6(44, fragment6(UDP) + udp(), length=length)
    for size in range(50, 14 + 40 + len(chain)):
        yield "v6 chain first %d" % size, v6(0, options6(60) + options6(43) + routing6(51)
                                             + authentication(UDP) + udp())[:size]
    whole = v6(TCP, tcp())
    for size in range(14, len(whole), 1):
        yield "v6 tcp first %d" % size, whole[:size]
    for option in (1, 5, 0x3E, 0xC2, 0xC9, 0x26, 0x30, 0x63, 0x6D, 0x8A, 0xEE):
        for length in (0, 1, 2, 3, 4, 5, 12, 200):
            body = bytes([option, length]) + bytes(12)
            yield "v6 hop option %d length %d" % (option, length), v6(
                0, options6(UDP, 1, body) + udp())
            yield "v6 dst option %d length %d" % (option, length), v6(
                60, options6(UDP, 1, body) + udp())


def transport():
    for words in range(16):
        yield "tcp words %d" % words, v4(TCP, tcp(words=words))
    for size in range(0, 21):
        yield "tcp with %d" % size, v4(TCP, tcp()[:size])
        yield "sctp with %d" % size, v4(SCTP, sctp()[:size])
        yield "dccp with %d" % size, v4(DCCP, dccp()[:size])
        yield "dccp6 with %d" % size, v6(DCCP, dccp()[:size])
    for size in range(0, 10):
        yield "udp with %d" % size, v4(UDP, udp()[:size])
        yield "udp6 with %d" % size, v6(UDP, udp()[:size])
        yield "udplite with %d" % size, v4(UDPLITE, udp()[:size])
        yield "icmp with %d" % size, v4(ICMP, bytes([3, 1, 0, 0, 0, 0, 0, 0, 0])[:size])
        yield "icmp6 with %d" % size, v6(ICMP6, bytes([1, 1, 0, 0, 0, 0, 0, 0, 0])[:size])
    for length in (0, 1, 7, 8, 9, 16, 17, 65535):
        yield "udp length %d" % length, v4(UDP, udp(length=length))
        yield "udp6 length %d" % length, v6(UDP, udp(length=length))
        yield "udplite length %d" % length, v4(UDPLITE, udp(length=length))
    yield "dccp short", v4(DCCP, struct.pack("!HHBBHBBH", 5, 6, 4, 0, 0, 0, 0, 1) + bytes(8))
    yield "tcp fast open", v4(TCP, tcp(words=6, options=bytes([2, 4, 5, 0xB4])))
    yield "tcp option zero", v4(TCP, tcp(words=6, options=bytes([2, 0, 5, 0xB4])))


def links():
    for kind in (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300, 0x8926):
        yield "tag %x" % kind, eth(kind, vlan(5, 0x0800, IP_TCP))
        yield "tag %x priority" % kind, eth(kind, vlan(0xE000, 0x0800, IP_TCP))
        yield "tag %x over 8100" % kind, eth(kind, vlan(5, 0x8100, vlan(6, 0x0800, IP_TCP)))
        yield "tag 8100 over %x" % kind, eth(0x8100, vlan(5, kind, vlan(6, 0x86DD, IP6_UDP)))
        for size in range(0, 5):
            yield "tag %x cut %d" % (kind, size), eth(kind, vlan(5, 0x0800, IP_TCP)[:size])
    for count in (3, 4, 5, 8, 20, 40):
        inner = vlan(count, 0x0800, IP_TCP)
        for depth in range(count - 1):
            inner = vlan(depth + 1, 0x8100, inner)
        yield "tags %d" % count, eth(0x8100, inner)
    snap = bytes.fromhex("aaaa03000000")
    llc_ip = bytes([6, 6, 3])
    tagged = snap + b"\x08\x00" + IP_TCP
    yield "tag then length", eth(0x8100, vlan(5, len(tagged), tagged))
    yield "tag then short length", eth(0x8100, vlan(5, 40, tagged))
    yield "tag then arp", eth(0x8100, vlan(5, 0x0806, arp()))
    yield "tag then unknown", eth(0x8100, vlan(5, 0x1234, IP_TCP))
    yield "snap", length_frame(tagged)
    yield "snap padded", length_frame(tagged) + bytes(20)
    for length in (0, 2, 3, 5, 8, 12, 27, 28, 31, 32, 40, 200, 1500, 1501, 1535, 1536):
        yield "snap length %d" % length, length_frame(tagged, length)
    yield "snap v6", length_frame(snap + b"\x86\xdd" + IP6_UDP)
    yield "snap arp", length_frame(snap + b"\x08\x06" + arp())
    yield "snap vlan", length_frame(snap + b"\x81\x00" + vlan(9, 0x0800, IP_TCP))
    yield "snap length inside", length_frame(snap + b"\x00\x40" + tagged)
    yield "snap mpls", length_frame(snap + b"\x88\x47" + mpls([5], IP_TCP))
    for oui in ("0000f8", "00000c", "0080c2", "000081", "0003e8", "123456"):
        for kind in (0x0800, 0x0001, 0x0007, 0x000E, 0x86DD, 0x2000):
            body = bytes.fromhex("aaaa03" + oui) + struct.pack("!H", kind)
            yield "snap %s %x ip" % (oui, kind), length_frame(body + IP_TCP)
            yield "snap %s %x eth" % (oui, kind), length_frame(
                body + bytes(2) + eth(0x0800, IP_TCP))
    yield "snap odd control", length_frame(b"\xaa\xaa\x13" + tagged[3:])
    yield "snap i-frame", length_frame(b"\xaa\xaa\x00\x00" + tagged[3:])
    yield "snap ab", length_frame(b"\xab\xab\x03" + tagged[3:])
    yield "snap dsap only", length_frame(b"\xaa\x42\x03" + tagged[3:])
    yield "snap ssap only", length_frame(b"\x42\xaa\x03" + tagged[3:])
    yield "llc ip", length_frame(llc_ip + IP_TCP)
    yield "llc ip group", length_frame(b"\x07\x06\x03" + IP_TCP)
    yield "llc ip response", length_frame(b"\x06\x07\x03" + IP_TCP)
    yield "llc ip, other source", length_frame(b"\x06\x42\x03" + IP_TCP)
    yield "llc ip, xid", length_frame(b"\x06\x06\xaf" + IP_TCP)
    yield "llc ip, ui poll", length_frame(b"\x06\x06\x13" + IP_TCP)
    yield "llc ip, i-frame", length_frame(b"\x06\x06\x00\x00" + IP_TCP)
    yield "llc ip, v6", length_frame(llc_ip + IP6_TCP)
    yield "llc stp", length_frame(b"\x42\x42\x03" + bytes(35))
    yield "llc arp sap", length_frame(b"\x98\x98\x03" + arp())
    yield "llc netbios", length_frame(b"\xf0\xf0\x03" + bytes(20))
    yield "llc osi", length_frame(b"\xfe\xfe\x03" + b"\xcc" + IP_TCP)
    yield "llc osi 4", length_frame(b"\xfe\xfe\x03" + IP_TCP)
    yield "llc osi 6", length_frame(b"\xfe\xfe\x03" + IP6_TCP)
    yield "llc cut", length_frame(b"\x42")
    yield "llc ipx raw", length_frame(b"\xff\xff" + bytes(40))
    yield "isl", bytes.fromhex("01000c0000") + MAC[5:] + struct.pack("!H", 26 + 80) + bytes.fromhex(
        "aaaa0300000c") + struct.pack("!HHH", 20, 0, 0) + eth(0x0800, IP_TCP) + bytes(4)
    for count in (1, 2, 3, 8, 16, 40):
        yield "mpls %d" % count, eth(0x8847, mpls([100 + i for i in range(count)], IP_TCP))
    yield "mpls multicast", eth(0x8848, mpls([100], IP_TCP))
    yield "mpls v6", eth(0x8847, mpls([100], IP6_UDP))
    for label in range(0, 18):
        yield "mpls label %d v4" % label, eth(0x8847, mpls([label], IP_TCP))
        yield "mpls label %d v6" % label, eth(0x8847, mpls([100, label], IP6_TCP))
    for label in (100, 0, 1, 3, 13, 14):
        yield "mpls mid label %d" % label, eth(0x8847, mpls([label, 100], IP_TCP))
    yield "mpls ethernet", eth(0x8847, mpls([100], eth(0x0800, IP_TCP)))
    yield "mpls ethernet zero mac", eth(0x8847, mpls([100], bytes(12) + b"\x08\x00" + IP_TCP))
    yield "mpls control ethernet", eth(0x8847, mpls([100], bytes(4) + eth(0x0800, IP_TCP)))
    yield "mpls control ethernet 1", eth(0x8847, mpls([100], b"\x00\x00\x00\x09"
                                                     + eth(0x0800, IP_TCP)))
    yield "mpls ethernet vlan", eth(0x8847, mpls([100], bytes(4) + eth(
        0x8100, vlan(4, 0x0800, IP_TCP))))
    yield "mpls ethernet mac 4x", eth(0x8847, mpls([100], b"\x40" + eth(0x0800, IP_TCP)[1:]))
    yield "mpls ethernet mac 6x", eth(0x8847, mpls([100], b"\x60" + eth(0x0800, IP_TCP)[1:]))
    yield "mpls ach", eth(0x8847, mpls([100, 13], b"\x10\x00\x00\x21" + IP_TCP))
    yield "mpls ach mid", eth(0x8847, mpls([100], b"\x10\x00\x00\x21" + IP_TCP))
    yield "mpls ach 57", eth(0x8847, mpls([100], b"\x10\x00\x00\x57" + IP6_TCP))
    yield "mpls nibble f", eth(0x8847, mpls([100], b"\xff" * 60))
    yield "mpls nibble 5", eth(0x8847, mpls([100], b"\x55" + IP_TCP[1:]))
    yield "mpls no bottom", eth(0x8847, struct.pack("!I", 100 << 12 | 64) + IP_TCP)
    yield "mpls empty", eth(0x8847, mpls([100], b""))
    for size in range(1, 5):
        yield "mpls cut %d" % size, eth(0x8847, mpls([100], b"")[:size])
        yield "mpls second cut %d" % size, eth(0x8847, mpls([100, 200], b"")[:4 + size])
    yield "mpls over vlan", eth(0x8100, vlan(7, 0x8847, mpls([100], IP_TCP)))
    yield "pppoe v4", eth(0x8864, pppoe(0x21, IP_TCP))
    yield "pppoe v6", eth(0x8864, pppoe(0x57, IP6_UDP))
    yield "pppoe lcp", eth(0x8864, pppoe(0xC021, bytes([1, 1, 0, 4])))
    yield "pppoe mpls", eth(0x8864, pppoe(0x281, mpls([9], IP_TCP)))
    yield "pppoe mpls multi", eth(0x8864, pppoe(0x283, mpls([9], IP_TCP)))
    yield "pppoe short protocol", eth(0x8864, pppoe(0x21, IP_TCP)[:6] + b"\x21" + IP_TCP)
    yield "pppoe short protocol 57", eth(0x8864, pppoe(0x21, IP_TCP)[:6] + b"\x57" + IP6_TCP)
    yield "pppoe hdlc", eth(0x8864, pppoe(0xFF03, b"\x00\x21" + IP_TCP))
    yield "pppoe hdlc short", eth(0x8864, pppoe(0xFF03, b"\x21" + IP_TCP))
    yield "pppoe padded", eth(0x8864, pppoe(0x21, IP_UDP)) + bytes(20)
    for length in (0, 1, 2, 3, 10, 18, 22, 24, 26, 40, 42, 200, 65535):
        yield "pppoe length %d" % length, eth(0x8864, pppoe(0x21, IP_TCP, length))
    for size in range(0, 9):
        yield "pppoe cut %d" % size, eth(0x8864, pppoe(0x21, IP_TCP)[:size])
    for code in (1, 7, 0xA7):
        yield "pppoe code %d" % code, eth(0x8864, pppoe(0x21, IP_TCP, code=code))
    for kind in (0x00, 0x12, 0x21, 0x22, 0x44):
        yield "pppoe type %x" % kind, eth(0x8864, pppoe(0x21, IP_TCP, kind=kind))
    for protocol in (0x0001, 0x0003, 0x002D, 0x002F, 0x003D, 0x00FD, 0x0031, 0x4021, 0x8021):
        yield "ppp %x" % protocol, eth(0x8864, pppoe(protocol, IP_TCP))
        yield "ppp %x eth" % protocol, eth(0x8864, pppoe(protocol, bytes(2) + eth(0x800, IP_TCP)))
    yield "pppoe discovery", eth(0x8863, bytes([0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]))
    yield "pppoe over vlan", eth(0x8100, vlan(7, 0x8864, pppoe(0x21, IP_TCP)))


def rare_links():
    yield "ppp ethertype", eth(0x880B, b"\xff\x03\x00\x21" + IP_TCP)
    yield "ppp ethertype, no hdlc", eth(0x880B, b"\x00\x21" + IP_TCP)
    yield "transparent ethernet", eth(0x6558, eth(0x0800, IP_TCP))
    for kind in (0x0800, 0x86DD):
        payload = IP_TCP if kind == 0x0800 else IP6_TCP
        name = "%x" % kind
        yield "macsec clear " + name, eth(0x88E5, struct.pack("!BBI", 0, 0, 1) + struct.pack(
            "!H", kind) + payload + bytes(16))
        yield "macsec sci " + name, eth(0x88E5, struct.pack("!BBI", 0x20, 0, 1) + bytes(8)
                                        + struct.pack("!H", kind) + payload + bytes(16))
        yield "macsec encrypted " + name, eth(0x88E5, struct.pack("!BBI", 0x0C, 0, 1)
                                              + struct.pack("!H", kind) + payload + bytes(16))
        yield "pbb " + name, eth(0x88E7, bytes(4) + eth(kind, payload))
        yield "hsr " + name, eth(0x892F, struct.pack("!HHH", 52, 1, kind) + payload)
        yield "rtag " + name, eth(0xF1C1, struct.pack("!HHH", 0, 1, kind) + payload)
        yield "etag " + name, eth(0x893F, bytes(6) + struct.pack("!H", kind) + payload)
        yield "cisco metadata " + name, eth(0x8909, b"\x01\x01\x00\x01\x00\x05"
                                            + struct.pack("!H", kind) + payload)
        yield "trill " + name, eth(0x22F3, bytes(6) + eth(kind, payload))
        yield "trill length " + name, eth(0x22F3, b"\x00\x01" + bytes(4) + eth(kind, payload))
        yield "fabricpath " + name, eth(0x8903, bytes(2) + eth(kind, payload))
        yield "vn tag " + name, eth(0x8926, bytes(4) + struct.pack("!H", kind) + payload)
        yield "batman " + name, eth(0x4305, b"\x40\x0f\x32\x00" + MAC[:6] + eth(kind, payload))
        yield "batman 0 " + name, eth(0x4305, b"\x00\x0f\x32\x00" + bytes(6) + eth(kind, payload))
        yield "dsa " + name, eth(0xDADA, bytes(2) + b"\x00\x00\x00\x00" + struct.pack("!H", kind)
                                 + payload)
        yield "nsh " + name, eth(0x894F, bytes([0x0F, 0xC6, 1, 1 if kind == 0x800 else 2])
                                 + struct.pack("!I", 0xFF) + bytes(16) + payload)
        yield "nsh eth " + name, eth(0x894F, bytes([0x0F, 0xC2, 2, 3]) + struct.pack("!I", 0xFF)
                                     + eth(kind, payload))
        yield "wifi " + name, eth(0x890D, bytes(1) + bytes.fromhex(
            "aaaa03000000") + struct.pack("!H", kind) + payload)
        yield "raw wifi " + name, eth(0x0019, b"\x08\x00" + bytes(22) + bytes.fromhex(
            "aaaa03000000") + struct.pack("!H", kind) + payload)
        yield "cdp tag " + name, eth(0x8988, bytes(4) + eth(kind, payload))
        yield "brcm tag " + name, eth(0x886A, bytes(8) + eth(kind, payload))
        yield "realtek " + name, eth(0x8899, b"\x90\x12" + struct.pack("!H", kind) + payload)
        yield "6558 vlan " + name, eth(0x8100, vlan(3, 0x6558, eth(kind, payload)))
        yield "avtp " + name, eth(0x22F0, bytes(4) + payload)
        yield "erspan " + name, eth(0x88BE, bytes(8) + eth(kind, payload))
        yield "lowpan " + name, eth(0xA0ED, b"\x41" + payload)
        yield "arcnet " + name, eth(0x8860, payload)
        yield "cdma " + name, eth(0x8881, payload)
        yield "ipa " + name, eth(0x872D, payload)
        yield "geonet " + name, eth(0x8947, payload)
        yield "tdmoe " + name, eth(0xD00D, payload)
        yield "sgt " + name, eth(0x8909, b"\x01" + payload)
        yield "y1731 " + name, eth(0x8902, payload)
        yield "fip " + name, eth(0x8914, payload)
        yield "mle " + name, eth(0x8946, bytes(6) + eth(kind, payload))
    yield "0101 type", eth(0x0101, IP_TCP)
    yield "0600 type", eth(0x0600, IP_TCP)
    yield "0000 type", eth(0x0000, IP_TCP)
    yield "ffff type", eth(0xFFFF, IP_TCP)


def tunnels():
    outer = dict(src=bytes([203, 0, 113, 1]), dst=bytes([203, 0, 113, 2]))
    inner_eth = eth(0x0800, INNER)
    yield "vxlan v4", v4(UDP, udp(50000, 4789, vxlan(inner_eth)), **outer)
    yield "vxlan v6", v4(UDP, udp(50000, 4789, vxlan(eth(0x86DD, INNER6))), **outer)
    yield "vxlan vlan", v4(UDP, udp(50000, 4789, vxlan(eth(0x8100, vlan(3, 0x0800, INNER)))))
    yield "vxlan over v6", v6(UDP, udp(50000, 4789, vxlan(inner_eth)))
    yield "vxlan arp", v4(UDP, udp(50000, 4789, vxlan(eth(0x0806, arp()))))
    yield "vxlan no flag", v4(UDP, udp(50000, 4789, vxlan(inner_eth, 0)))
    for size in (0, 4, 8, 12, 22, 30, 42, 50, 60):
        yield "vxlan cut %d" % size, v4(UDP, udp(50000, 4789, vxlan(inner_eth)[:size]))
    for flags in (0, 0x8000, 0x2000, 0x1000, 0xB000):
        yield "gre %x" % flags, v4(47, gre(0x0800, INNER, flags), **outer)
        yield "gre %x v6" % flags, v6(47, gre(0x86DD, INNER6, flags))
        yield "gre %x eth" % flags, v4(47, gre(0x6558, inner_eth, flags))
        yield "gre %x cut" % flags, v4(47, gre(0x0800, b"", flags)[:-1])
    yield "gre routing", v4(47, struct.pack("!HHHH", 0x4000, 0x0800, 0, 0) + bytes(4) + INNER)
    yield "gre version 1", v4(47, struct.pack("!HHHH", 0x2001, 0x880B, 4 + len(INNER), 1)
                              + b"\xff\x03\x00\x21" + INNER)
    yield "gre mpls", v4(47, gre(0x8847, mpls([3], INNER)))
    yield "gre vlan", v4(47, gre(0x8100, vlan(3, 0x0800, INNER)))
    yield "gre in gre", v4(47, gre(0x0800, ip4(47, gre(0x0800, INNER), **outer)))
    yield "gre arp", v4(47, gre(0x0806, arp()))
    yield "gtp plain", v4(UDP, udp(2152, 2152, gtp(INNER)), **outer)
    yield "gtp v6", v4(UDP, udp(2152, 2152, gtp(INNER6)))
    yield "gtp sequence", v4(UDP, udp(2152, 2152, gtp(INNER, 0x32, tail=bytes([0, 5, 0, 0]))))
    yield "gtp extension", v4(UDP, udp(2152, 2152, gtp(INNER, 0x34, tail=bytes(
        [0, 0, 0, 0x85, 1, 0, 9, 0]))))
    yield "gtp extensions", v4(UDP, udp(2152, 2152, gtp(INNER, 0x34, tail=bytes(
        [0, 0, 0, 0x85, 1, 0, 9, 0x85, 2, 1, 1, 1, 1, 1, 1, 0]))))
    yield "gtp extension zero", v4(UDP, udp(2152, 2152, gtp(INNER, 0x34, tail=bytes(
        [0, 0, 0, 0x85, 0, 0, 9, 0]))))
    yield "gtp extension cut", v4(UDP, udp(2152, 2152, gtp(b"", 0x34, tail=bytes(
        [0, 0, 0, 0x85, 9]))))
    yield "gtp echo", v4(UDP, udp(2152, 2152, gtp(b"", 0x32, 1, bytes(4))))
    yield "gtp version 2", v4(UDP, udp(2152, 2152, gtp(INNER, 0x50)))
    yield "gtp not ip", v4(UDP, udp(2152, 2152, gtp(bytes(40))))
    yield "gtp cut", v4(UDP, udp(2152, 2152, gtp(INNER)[:7]))
    yield "ipip", v4(4, INNER, **outer)
    yield "6in4", v4(41, INNER6, **outer)
    yield "6in6", v6(41, INNER6)
    yield "4in6", v6(4, INNER)
    yield "4in6 behind options", v6(60, options6(4) + INNER)
    yield "ipip cut", v4(4, INNER[:12], **outer)
    yield "ipip bad version", v4(4, INNER6, **outer)
    yield "ipip fragment", v4(4, INNER, flags=0x2000)
    deep = INNER
    for _ in range(12):
        deep = ip4(4, deep, **outer)
    yield "ipip deep", eth(0x0800, deep)
    yield "etherip", v4(97, b"\x30\x00" + inner_eth)
    yield "geneve", v4(UDP, udp(50000, 6081, b"\x00\x00\x65\x58\x00\x00\x01\x00" + inner_eth))
    yield "teredo", v4(UDP, udp(50000, 3544, INNER6))
    yield "l2tp", v4(115, bytes(4) + INNER)
    yield "mpls in ip", v4(137, mpls([5], INNER))
    yield "mpls in udp", v4(UDP, udp(50000, 6635, mpls([5], INNER)))
    yield "ipcomp", v4(108, bytes([6, 0, 0, 1]) + bytes(30))
    yield "ipv6 ipcomp", v6(108, bytes([6, 0, 0, 1]) + bytes(30))
    yield "esp null", v4(50, struct.pack("!II", 1, 2) + tcp() + bytes([1, 1, 1, TCP]) + bytes(12))
    yield "udp esp", v4(UDP, udp(4500, 4500, struct.pack("!II", 1, 2) + tcp()))


GROUPS = (plain, lengths4, fragments, extensions6, transport, links, rare_links, tunnels)


def frames():
    """Every (name, frame), in a fixed order."""
    for group in GROUPS:
        yield from group()


def write_pcap(path, items):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for index, (_, frame) in enumerate(items):
            file.write(struct.pack("<IIII", 1700000000 + index, 0, len(frame), len(frame)))
            file.write(frame)


# One seed per kind of header: the fuzzer finds the lengths by itself.
SEEDS = ("v4 tcp", "v6 udp", "v4 sctp", "v4 icmp error", "arp", "lldp", "v4 ihl 8",
         "v4 first 17", "v6 middle 17", "v6 hop, dst, routing, ah", "v6 mobility udp",
         "v6 hip udp", "v6 shim6 payload udp", "v6 jumbo", "tag 8100", "tag 8100 over 88a8",
         "tags 4", "snap", "llc ip", "llc stp", "mpls 3", "mpls v6", "pppoe v4", "pppoe v6",
         "pppoe short protocol", "vxlan v4", "vxlan vlan", "gre b000", "gre 2000 eth", "gre mpls",
         "gtp plain", "gtp extensions", "ipip", "6in4", "4in6 behind options", "ipip deep")


def write_corpus(folder):
    chosen = [(name, frame) for name, frame in frames() if name in SEEDS]
    assert len(chosen) == len(SEEDS), set(SEEDS) - {name for name, _ in chosen}
    for name, frame in chosen:
        label = "".join(c if c.isalnum() else "_" for c in name)
        with open(os.path.join(folder, "seed_" + label), "wb") as file:
            file.write(b"\x01\xff" + frame)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pcap", metavar="FILE")
    parser.add_argument("--corpus", metavar="FOLDER")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.pcap:
        write_pcap(arguments.pcap, frames())
    if arguments.corpus:
        write_corpus(arguments.corpus)
    if arguments.list:
        for index, (name, frame) in enumerate(frames(), 1):
            print(index, len(frame), name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
