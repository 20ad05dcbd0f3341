# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A host with a container and a client elsewhere, as docker sets them up: bridge, published port, masquerade."""
import errno
import shutil
import socket
import struct
import subprocess

from . import netns

INSIDE = {4: "172.30.9.%d", 6: "fd30::%d"}  # the addresses on the bridge
NETWORK = {4: "172.30.9.0/24", 6: "fd30::/64"}
PUBLISHED = 8080
PROXY = 15001
NAT = """
table inet t {{
    chain prerouting {{ type nat hook prerouting priority -100; }}
    chain output {{ type nat hook output priority -100; }}
    chain postrouting {{ type nat hook postrouting priority 100; }}
}}
{}
"""


def nat(ns, *rules):
    """Append rules, each with the chain it goes to, to the chains of NAT."""
    ns.run("nft", "-f", "-", stdin=NAT.format("\n".join(f"add rule inet t {rule}" for rule in rules)))


class Published:
    """client -c0- s0 [host] bridge -b0- container. Each namespace has `addr`; `inside` is the container's on its bridge."""

    def __init__(self, pair, keep):
        self.client, self.host = pair.client, pair.server
        self.server = keep(netns.Netns("container"))  # as of a Pair, for a crowd
        self.server.addr = {ip: INSIDE[ip] % 2 for ip in (4, 6)}
        self.host.ip("link add bridge type bridge")
        for ip, bits in ((4, 24), (6, 64)):
            self.host.ip(f"address add {INSIDE[ip] % 1}/{bits} dev bridge" + (" nodad" if ip == 6 else ""))
        netns.join(self.host, "h0", self.server, "b0")
        self.host.ip("link set h0 master bridge", "link set h0 up", "link set bridge up")
        # Hairpin: what the container sends to its published port comes back to it through the same port of the bridge.
        self.host.ip("link set h0 type bridge_slave hairpin on")
        self.server.ip(*(f"address add {self.server.addr[ip]}/{bits} dev b0" + (" nodad" if ip == 6 else "")
                         for ip, bits in ((4, 24), (6, 64))), "link set b0 up",
                       *(f"route add default via {INSIDE[ip] % 1}" for ip in (4, 6)))
        self.host.sysctl("net.ipv4.ip_forward", 1)
        self.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        netns.acquaint(self.host, self.server)

    def address(self, ip, port):
        """Of a Pair: the server's."""
        return (self.server.addr[ip], port)

    def at(self, ip):
        """What a client connects to."""
        return (self.host.addr[ip], PUBLISHED)

    def publish(self, port, masquerade=""):
        """As docker does: also for what the host itself sends, and for the container's own connections to it."""
        family = {4: "ip", 6: "ip6"}
        for_all = []
        for ip, name in family.items():
            to = f"[{self.server.addr[ip]}]" if ip == 6 else self.server.addr[ip]
            for chain in ("prerouting", "output"):
                for_all.append(f"{chain} {name} daddr {self.host.addr[ip]} tcp dport {PUBLISHED} "
                               f"dnat {name} to {to}:{port}")
            inside = NETWORK[ip]
            for_all.append(f"postrouting {name} saddr {inside} oifname s0 masquerade {masquerade}")
            for_all.append(f"postrouting {name} saddr {inside} {name} daddr {inside} masquerade {masquerade}")
        nat(self.host, *for_all)


def redirect(ns, ip, port):
    """What is sent to a web server goes to a proxy here instead, as in a pod with a sidecar."""
    nat(ns, f"output meta nfproto ipv{ip} tcp dport 80 redirect to :{port}")


IP_VS_SO_SET_ADD, IP_VS_SO_SET_ADDDEST = 1154, 1159  # uapi/linux/ip_vs.h


def balance(ns, address, server):
    """IPVS, as a service's virtual address: what goes to `address` goes to `server` (NAT; IPv4). False: there is none."""
    if shutil.which("modprobe"):  # else it is built in, or absent
        subprocess.run(["modprobe", "-a", "ip_vs", "ip_vs_rr"], check=False, capture_output=True)
    service = struct.pack("@Hxx4s2sxxI16sIII", socket.IPPROTO_TCP, socket.inet_aton(address[0]), struct.pack("!H", address[1]),
                          0, b"rr", 0, 0, 0xffffffff)
    to = struct.pack("@4s2sxxIiII", socket.inet_aton(server[0]), struct.pack("!H", server[1]), 0, 1, 0, 0)
    with ns.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_VS_SO_SET_ADD, service)
            sock.setsockopt(socket.IPPROTO_IP, IP_VS_SO_SET_ADDDEST, service + to)
        except OSError as error:
            if error.errno in (errno.ENOPROTOOPT, errno.ENOENT):
                return False
            raise
    return True


def syns(ns, ip):
    """A socket that sees what comes into a namespace."""
    kind = 0x0800 if ip == 4 else 0x86DD
    with ns.inside():
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind))


def first_isn(sock, ip):
    """The sequence number of the next SYN that it sees, as a record has it."""
    sock.settimeout(5)
    while True:
        frame = sock.recv(2048)
        tcp = (frame[0] & 15) * 4 if ip == 4 else 40
        if frame[9 if ip == 4 else 6] == socket.IPPROTO_TCP and frame[tcp + 13] & 0x12 == 0x02:
            return f"{struct.unpack_from('!I', frame, tcp + 4)[0]:08x}"
