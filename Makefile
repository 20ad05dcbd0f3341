# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tcpshake: `make help` lists the targets. Everything generated goes under $(O).
#
#   V=1       show the commands        WERROR=1  warnings are errors
#   SAN=1     build with ASan and UBSan, under $(O)/san
#   HARDEN=, HARDEN_LINK=  build without what the compiler and the linker do against mistakes in C
#   O=DIR     build directory          PREFIX=, DESTDIR=, UNITDIR=, ZSHDIR=  for install

VERSION := 0.1.0
O ?= build
PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
DESTDIR ?=
CC ?= gcc
CLANG ?= clang
PKG_CONFIG ?= pkg-config
# What runs a program that was built, where that is another architecture's: qemu-aarch64-static.
RUN ?=
PYTHON := /usr/bin/python3
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)

Q := $(if $(V),,@)
say = $(if $(V),@:,@echo "  $(1)")
BUILD := $(O)$(if $(SAN),/san)

CFLAGS ?= -O2 -g
comma := ,
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes $(if $(WERROR),-Werror)
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer)
# What the compiler has of it; a sanitizer finds more. A FORTIFY level that CFLAGS name is theirs.
compiles = $(shell $(CC) $(CFLAGS) -Werror $(1) -include stdio.h -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(1)')
fortify = $(if $(findstring _FORTIFY_SOURCE,$(CFLAGS)),,$(firstword $(foreach n,3 2,$(call compiles,-D_FORTIFY_SOURCE=$(n)))))
HARDEN := $(if $(SAN),,$(foreach flag,-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE,\
	$(call compiles,$(flag))) $(fortify))
HARDEN_LINK := $(if $(SAN),,-pie -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)
DEFS := -DTCPSHAKE_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(HARDEN) $(SANITIZE) $(DEFS) -I. -I$(BUILD) -MMD -MP
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Wshadow $(if $(WERROR),-Werror) \
	-Ivmlinux -Ibpf -MMD -MP -ffile-prefix-map=$(CURDIR)=.

LIBS_DAEMON = $(shell $(PKG_CONFIG) --libs libbpf libcjson libevent_core libevent_extra libcap libseccomp)
LIBS_CLI = $(shell $(PKG_CONFIG) --libs libcjson ncursesw zlib libzstd)
LIBS_empty = $(shell $(PKG_CONFIG) --libs libbpf)
LIBS_UNIT = $(shell $(PKG_CONFIG) --libs libcjson libevent_core libevent_extra libseccomp zlib libzstd cmocka)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
COMMON := $(call objects,$(wildcard common/*.c))
DAEMON := $(call objects,$(wildcard daemon/*.c daemon/*/*.c))
CLI := $(call objects,$(wildcard cli/*.c cli/*/*.c cli/*/*/*.c))
# What unit tests may link; each takes only what it uses.
TESTABLE := $(filter-out %/main.o,$(COMMON) $(DAEMON) $(CLI))
# Each is an object of its own, so that the kernel can refuse it alone.
BPF := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.c))
HELPERS := $(addprefix $(BUILD)/tests/,$(basename $(notdir $(wildcard tests/integration/*.c \
	tests/bench/*.c)))) $(BUILD)/tests/agent.bpf.o
FUZZERS := records filter requests http events
REPLAYS := $(FUZZERS:%=$(BUILD)/tests/replay-%)
FUZZ_SECONDS ?= 60
# Snippets for other programs: to be copied from share/tcpshake, and edited.
COMPLETIONS := $(foreach p,tcpshake tcpshaked,$(foreach s,bash zsh,$(BUILD)/completion/$(p).$(s)))
CONTRIB := $(sort $(shell find contrib -type f))
UNITS := $(notdir $(wildcard contrib/systemd/*.service))
define newline


endef
tab := $() $()

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
DEMO_SECONDS ?= 120

.PHONY: all helpers build-tests run demo fleet test check unit integration causes-matrix refused sanitize bench soak fuzz vm lint fmt deb rpm image images packages arm64 deb-arm64 vm-arm64 deps install uninstall clean help

all: $(BUILD)/tcpshaked $(BUILD)/tcpshake ## build the daemon and the CLI

run: ## install what is missing, build, and show this host's handshakes live (needs root)
	$(Q)tools/install-deps build
	$(Q)tools/as-caller $(O) $(MAKE) --no-print-directory all
	$(Q)tools/run $(O)/tcpshake

demo: ## stage an incident for DEMO_SECONDS: a queue that overflows, a closed port, a firewall (needs root)
	$(Q)tools/install-deps demo
	$(Q)tools/as-caller $(O) $(MAKE) --no-print-directory all
	$(Q)tools/demo $(DEMO_SECONDS)

fleet: ## stage six hosts, ClickHouse, VictoriaMetrics and an incident for DEMO_SECONDS (needs root)
	$(Q)tools/install-deps fleet
	$(Q)tools/as-caller $(O) $(MAKE) --no-print-directory all
	$(Q)tools/fleet $(DEMO_SECONDS)

test: ## install what is missing, build, and pass every suite (needs root)
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) WERROR=1 build-tests
	$(Q)$(MAKE) --no-print-directory WERROR=1 check

check: lint unit integration refused sanitize ## every suite, with what is installed

build-tests: helpers $(UNIT) $(REPLAYS) # what the tests run

unit: $(UNIT) $(REPLAYS) ## the unit tests, and the fuzzers' corpora once
	$(Q)set -e; for t in $(UNIT); do $$t; done
	$(Q)tests/fuzz/seed $(BUILD)/corpus
	$(Q)set -e; for f in $(FUZZERS); do \
		$(BUILD)/tests/replay-$$f tests/fuzz/corpus/$$f $(BUILD)/corpus/$$f; done

helpers: all $(HELPERS) # what the integration tests run

integration: helpers ## the integration tests: real traffic in network namespaces (needs root)
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) tests/integration/run -n 2 $(PYTEST_FLAGS) tests/integration

# It takes two minutes.
causes-matrix: helpers ## 10,000 handshakes with faults: how often causes are right, into docs/causes.md (needs root)
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) TCPSHAKE_TIERS=10000 TCPSHAKE_MATRIX=$(abspath docs/causes-matrix.txt) $(PYTHON) -m pytest -q \
		-rsfE -p no:cacheprovider tests/integration/test_confusion.py -k tiers
	$(Q)tests/integration/write_causes

# What does not depend on how many families there are is run for one of them.
CORE := daemon active passive loss fastopen identity exact filters retransmits listeners overflow audit resets
refused: helpers ## the core of the integration tests with everything refused that the daemon can do without (needs root)
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) TCPSHAKE_REFUSE=all tests/integration/run -k 'not ipv6' \
		$(PYTEST_FLAGS) $(CORE:%=tests/integration/test_%.py)

# As for `refused`: one of the families; the unit tests have both. Who is slow on purpose takes minutes.
sanitize: ## unit tests, daemon and CLI under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory SAN=1 unit
	$(Q)$(MAKE) --no-print-directory SAN=1 PYTEST_FLAGS='$(PYTEST_FLAGS) -m sanitize -k "not ipv6 and not slow and not large and not stays_small and not while_it_is_written"' integration

bench: helpers $(BUILD)/tests/empty.bpf.o $(BUILD)/tests/floor.bpf.o ## what it costs, beside its peers, into docs/performance.md (needs root)
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) tests/bench/compare $(BENCH_FLAGS)

soak: helpers ## floods, scans, full disks, kills: for SOAK_MINUTES (default 120), memory by the minute (needs root)
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) tests/soak/soak -m $(or $(SOAK_MINUTES),120) -o $(O)/soak

fuzz: ## run each fuzzer for FUZZ_SECONDS (default 60), under ASan and UBSan (needs clang)
	$(Q)tools/install-deps fuzz
	$(Q)$(MAKE) -s --no-print-directory $(FUZZERS:%=$(O)/fuzz/%)
	$(Q)tests/fuzz/seed $(O)/corpus
	$(Q)tests/fuzz/run $(O) $(FUZZ_SECONDS) $(FUZZERS)

vm: ## the integration tests and the lab under other kernels: KERNEL=oldest, newest, 6.1, trixie, … (needs root)
	$(Q)tools/install-deps vm
	$(Q)$(MAKE) -s --no-print-directory helpers
	$(Q)TCPSHAKE_BUILD=$(abspath $(BUILD)) tests/vm/matrix $(VM_FLAGS) $(KERNEL)

lint: ## what tools can see in the sources
	$(Q)tools/lint

fmt: ## format the lines of C that differ from the last commit
	$(Q)git clang-format -q --force -- '*.c' '*.h' || true

deb: ## the Debian package, into $(O)/deb, and what lintian says of it
	$(Q)tools/install-deps deb
	$(Q)tools/as-caller $(O) tools/deb $(O)/deb
	$(Q)lintian --allow-root --fail-on error,warning $(O)/deb/*.changes

rpm: ## the RPM package, into $(O)/rpm
	$(Q)tools/install-deps rpm
	$(Q)tools/as-caller $(O) tools/rpm $(O)/rpm

image: deb ## an OCI image of that package, into $(O)/image (needs root, and Debian's archive)
	$(Q)tools/install-deps image
	$(Q)tools/image $(O)/deb/tcpshake_*.deb $(O)/image

TEST_PACKAGES = TCPSHAKE_BUILD=$(abspath $(O)) $(PYTHON) -m pytest -q -rsfE $(PYTEST_FLAGS)
images: image deb-arm64 ## one OCI image for amd64 and arm64, into $(O)/images, and a test of it (needs root, and Debian's archive)
	$(Q)tools/image $(O)/deb/tcpshake_*.deb $(ARM64)/deb/tcpshake_*.deb $(O)/images
	$(Q)$(TEST_PACKAGES) tests/packages/test_index.py

packages: image rpm ## deb, image and rpm, and tests of them: a fresh root, a container, the same bytes twice (needs root, and Debian's archive)
	$(Q)$(TEST_PACKAGES) --ignore tests/packages/test_index.py tests/packages

# A compiler for arm64, with a Debian of that architecture in place of this machine's.
ARM64 := $(O)/arm64
arm64: ## cross-build for arm64, into $(O)/arm64 (needs root, and Debian's archive)
	$(Q)tools/install-deps arm64
	$(Q)tools/arm64-root $(ARM64)
	$(Q)root=$$(realpath $(ARM64)/root) && PKG_CONFIG_SYSROOT_DIR=$$root \
		PKG_CONFIG_LIBDIR=$$root/usr/lib/aarch64-linux-gnu/pkgconfig:$$root/usr/share/pkgconfig \
		$(MAKE) --no-print-directory O=$(ARM64)/build CC="aarch64-linux-gnu-gcc --sysroot=$$root" build-tests

deb-arm64: ## the Debian package for arm64, into $(O)/arm64/deb (needs root, and Debian's archive)
	$(Q)tools/install-deps arm64
	$(Q)tools/cross-root $(ARM64)/cross arm64
	$(Q)tools/deb $(ARM64)/deb $(ARM64)/cross arm64
	$(Q)lintian --allow-root --fail-on error,warning $(ARM64)/deb/*.changes

vm-arm64: arm64 ## unit tests and the core of the integration tests in an arm64 guest (needs root)
	$(Q)mkdir -p $(ARM64)/results
	$(Q)tests/vm/vmtest -t 20000 -m 3G -r $(ARM64)/root -w $(ARM64)/results $(wildcard $(ARM64)/kernels/*) -- \
		tests/vm/core $(abspath $(ARM64)/build) $(abspath $(ARM64)/results) $(CORE)

deps: ## install the Debian packages that building and testing need
	$(Q)tools/install-deps test

install: all $(COMPLETIONS) ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/tcpshaked $(DESTDIR)$(PREFIX)/sbin/tcpshaked
	install -D -m 755 $(BUILD)/tcpshake $(DESTDIR)$(PREFIX)/bin/tcpshake
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 man/tcpshake.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 man/tcpshake-records.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/tcpshaked.8
	sed -i 's,/usr/local/,$(PREFIX)/,' $(DESTDIR)$(PREFIX)/share/man/man8/tcpshaked.8
	$(foreach p,tcpshake tcpshaked,install -D -m 644 $(BUILD)/completion/$(p).bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(p)$(newline)$(tab))
	$(foreach p,tcpshake tcpshaked,install -D -m 644 $(BUILD)/completion/$(p).zsh $(DESTDIR)$(ZSHDIR)/_$(p)$(newline)$(tab))
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/tcpshake/schemas schemas/*.schema.json
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/tcpshake/lab share/tcpshake/lab/*.lab
	$(foreach f,$(CONTRIB),install -D -m $(if $(filter contrib/clickhouse/ask contrib/clickhouse/ship,$(f)),755,644) $(f) $(DESTDIR)$(PREFIX)/share/tcpshake/$(f)$(newline)$(tab))
	sed -i 's,/usr/local/\(s\?bin\),$(PREFIX)/\1,' $(UNITS:%=$(DESTDIR)$(PREFIX)/share/tcpshake/contrib/systemd/%)
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) $(UNITS:%=$(DESTDIR)$(PREFIX)/share/tcpshake/contrib/systemd/%)
	install -D -m 644 contrib/systemd/tcpshake.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/tcpshake.conf

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/sbin/tcpshaked $(DESTDIR)$(PREFIX)/bin/tcpshake \
		$(DESTDIR)$(PREFIX)/share/man/man1/tcpshake.1 $(DESTDIR)$(PREFIX)/share/man/man5/tcpshake-records.5 \
		$(DESTDIR)$(PREFIX)/share/man/man8/tcpshaked.8
	rm -f $(foreach p,tcpshake tcpshaked,$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(p) $(DESTDIR)$(ZSHDIR)/_$(p))
	rm -f $(UNITS:%=$(DESTDIR)$(UNITDIR)/%) $(DESTDIR)$(PREFIX)/lib/sysusers.d/tcpshake.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/tcpshake

clean: ## remove everything generated
	rm -rf $(O)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BUILD)/tcpshaked: $(DAEMON) $(COMMON)
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN_LINK) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_DAEMON)

$(BUILD)/tcpshake: $(CLI) $(COMMON)
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN_LINK) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_CLI)

# The programs print it from the tables that they parse their options with.
$(COMPLETIONS): $(BUILD)/completion/%: $(BUILD)/tcpshake $(BUILD)/tcpshaked
	$(Q)mkdir -p $(@D) && $(RUN) $(BUILD)/$(basename $(@F)) --completion $(subst .,,$(suffix $@)) >$@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tests/testable.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_UNIT)

# An archive, so that a test takes only what it uses (`q`: daemon/ and cli/ share file names).
$(BUILD)/tests/testable.a: $(TESTABLE)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar qcs $@ $^

# The targets of the fuzzers: with a main() that runs files, and with libFuzzer's.
$(REPLAYS): $(BUILD)/tests/replay-%: $(BUILD)/tests/fuzz/%.o \
		$(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/testable.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_UNIT)

FUZZ_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# What needs no libbpf.
FUZZED := $(patsubst $(BUILD)/%.o,$(O)/fuzz/%.o,$(filter-out $(BUILD)/daemon/kernel/%,$(TESTABLE)) \
	$(BUILD)/daemon/kernel/consume.o)

$(FUZZERS:%=$(O)/fuzz/%): $(O)/fuzz/%: $(O)/fuzz/tests/fuzz/%.o $(O)/fuzz/fuzzed.a
	$(call say,LINK $@)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_UNIT)

$(O)/fuzz/fuzzed.a: $(FUZZED)
	$(Q)rm -f $@ && ar qcs $@ $^

$(O)/fuzz/%.o: %.c
	$(call say,FUZZ $<)
	$(Q)mkdir -p $(@D) && $(CLANG) -std=gnu11 $(WARN) $(DEFS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link \
		-I. -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/integration/%.c
	$(call say,CC   $@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 $(CFLAGS) $(WARN) -o $@ $< -lpthread

$(BUILD)/tests/%: tests/bench/%.c
	$(call say,CC   $@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 $(CFLAGS) $(WARN) -o $@ $< -lpthread $(LIBS_$*)

$(BUILD)/tests/%.bpf.o: tests/bench/bpf/%.bpf.c
	$(call say,BPF  $<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c
	$(call say,CC   $<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<

$(call objects,$(wildcard daemon/kernel/source*.c) daemon/kernel/latencies.c): $(BPF:%=$(BUILD)/generated/%.skel.h)
$(BUILD)/daemon/kernel/btf.o: $(BUILD)/generated/core_types.h

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF  $<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -c -o $@ $<

# Without what only a debugger reads.
$(BUILD)/bpf/%.linked.o: $(BUILD)/bpf/%.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(BUILD)/generated/%.skel.h: $(BUILD)/bpf/%.linked.o
	$(call say,SKEL $@)
	$(Q)mkdir -p $(@D) && $(BPFTOOL) gen skeleton $< name $*_bpf >$@

# The names of all types that the programs know, the kernel's among them.
$(BUILD)/generated/core_types.h: $(BPF:%=$(BUILD)/bpf/%.linked.o)
	$(call say,GEN  $@)
	$(Q)mkdir -p $(@D) && for object in $^; do $(BPFTOOL) btf dump file $$object format raw || exit; done >$@.types
	$(Q)awk -F "'" '/^\[[0-9]+\] (STRUCT|UNION|ENUM|ENUM64|TYPEDEF) / && $$2 != "(anon)" \
		{ sub(/___.*/, "", $$2); print "\t\"" $$2 "\"," }' $@.types | LC_ALL=C sort -u | \
		{ echo 'static const char *const core_types[] = {'; cat; echo '};'; } >$@
	$(Q)rm $@.types

-include $(shell find $(BUILD) \( -path '*/vm' -o -path '*/deb' -o -path '*/rpm' -o -path '*/arm64' -o -path '*/packages' \) -prune -o -type f -name '*.d' -print 2>/dev/null)
