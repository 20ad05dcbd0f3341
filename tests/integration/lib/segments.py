# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TCP segments that no connection of the kernel would send."""
import socket
import struct

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
IPV6_CHECKSUM = 7
CHECKSUM_AT = 16  # in the TCP header


def _checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


class Sender:
    """Sends segments from one namespace's address, or another `address` that it has, to another's."""

    def __init__(self, source, destination, ip, address=None):
        self.source, self.destination = address or source.addr[ip], destination.addr[ip]
        family = socket.AF_INET if ip == 4 else socket.AF_INET6
        self.ip = ip
        self.sock = source.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.sock.bind((self.source, 0))
        if ip == 6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, CHECKSUM_AT)

    def send(self, flags, sport, dport, seq=1000, ack=0):
        header = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4,
                             flags, 1000, 0, 0)
        if self.ip == 4:  # for IPv6 the kernel does it
            pseudo = (socket.inet_aton(self.source) + socket.inet_aton(self.destination) +
                      struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header)))
            header = (header[:CHECKSUM_AT] + struct.pack("!H", _checksum(pseudo + header)) +
                      header[CHECKSUM_AT + 2:])
        self.sock.sendto(header, (self.destination, 0))

    def close(self):
        self.sock.close()
