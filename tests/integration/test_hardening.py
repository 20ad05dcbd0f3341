# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the compiler and the linker do against mistakes in C, as the programs have it."""
import platform
import re
import subprocess

import pytest

from lib import env


def readelf(*argv):
    return subprocess.run(["readelf", "-W", *argv], check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=[env.TCPSHAKED, env.TCPSHAKE], ids=["tcpshaked", "tcpshake"])
def program(request):
    return request.param


def test_no_address_is_fixed(program):
    assert re.search(r"Type:\s+DYN ", readelf("-h", program))
    assert "PIE" in re.search(r"\(FLAGS_1\).*", readelf("-d", program))[0]


def test_nothing_to_redirect(program):
    """Functions of libraries are bound before main(), and their addresses are read-only by then."""
    assert "GNU_RELRO" in readelf("-l", program)
    assert "NOW" in re.search(r"\(FLAGS_1\).*", readelf("-d", program))[0]


def test_no_code_on_the_stack(program):
    stack = re.search(r"GNU_STACK\s.*", readelf("-l", program))[0]
    assert " RW " in stack and "RWE" not in stack


def test_overflows_are_found(program):
    """A canary behind arrays on the stack, and sizes that are checked where they are known."""
    symbols = set(re.findall(r"(__\w+_chk(?:_fail)?)@", readelf("--dyn-syms", program)))
    assert "__stack_chk_fail" in symbols
    assert len(symbols - {"__stack_chk_fail"}) >= 3, symbols


@pytest.mark.skipif(platform.machine() != "x86_64", reason="endbr64 is x86-64's")
def test_indirect_jumps_have_their_places(program):
    """As many as there are functions of our own, and more; without the flag only the C library's start-up code has some."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", program], check=True,
                          capture_output=True, text=True).stdout
    assert text.count("endbr64") > 200
