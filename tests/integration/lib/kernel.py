# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the running kernel has, by the names in its BTF; never by its version."""
import functools


@functools.lru_cache(maxsize=None)
def _names():
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def has(name):
    return b"\0" + name.encode() + b"\0" in _names()


def reset_reasons():
    """Does it name why it sends a RST, and tell of those without a socket? (6.10)"""
    return has("SK_RST_REASON_NO_SOCKET")


def overflow_reason():
    """Does it name why it drops a final ACK, and so tell a RST to a pending request? (6.15)"""
    return has("SKB_DROP_REASON_TCP_LISTEN_OVERFLOW")
