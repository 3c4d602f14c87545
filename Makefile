# SPDX-License-Identifier: GPL-2.0-only
#
# GNU make. `make help` lists what it does. Everything it makes is under build/.

VERSION ?= $(shell git describe --tags --dirty 2>/dev/null || echo 0.1.0)
VERSION := $(VERSION)
PREFIX ?= /usr/local
DESTDIR ?=
DEPS ?= build test bench
B := build

# The first of these programs that exists; sbin is not in every user's PATH.
find = $(shell PATH="$$PATH:/usr/local/sbin:/usr/sbin:/sbin"; \
	for p in $(1); do command -v $$p && exit; done; echo $(lastword $(1)))

CLANG ?= $(call find,clang-19 clang-14 clang)
LLVM_STRIP ?= $(call find,$(patsubst clang%,llvm-strip%,$(notdir $(CLANG))) llvm-strip)
# Ubuntu's /usr/sbin/bpftool only works with the tools of the running kernel installed.
BPFTOOL ?= $(shell PATH="$$PATH:/usr/local/sbin:/usr/sbin:/sbin"; \
	for p in bpftool /usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool; do \
		$$p version >/dev/null 2>&1 && { command -v $$p; exit; }; done; echo bpftool)
CLANG := $(CLANG)
LLVM_STRIP := $(LLVM_STRIP)
BPFTOOL := $(BPFTOOL)
PKG_CONFIG ?= pkg-config

PKGS := libbpf libelf zlib libmnl libnftables jansson yaml-0.1 libcurl
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)

CFLAGS ?= -O2 -g
LDFLAGS ?=
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow \
	-Wpointer-arith -Wwrite-strings -Wvla
COMMON := -std=gnu17 -D_GNU_SOURCE $(WARN) -Iuser -Iinclude -I$(B)/bpf $(PKG_CFLAGS)
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror \
	-Ivmlinux -Iinclude -Ibpf -Ibpf/lib

SRCS := $(sort $(wildcard user/*.c user/*/*.c))
OBJS := $(SRCS:%.c=$(B)/obj/%.o)
SAN_LIB := $(B)/san/fastveth.a
SAN_OBJS := $(patsubst %.c,$(B)/san/%.o,$(filter-out user/cli/main.c,$(SRCS)))
BPF_SRCS := $(sort $(wildcard bpf/*.bpf.c tests/bpf/*.bpf.c))
SKELS := $(patsubst %.bpf.c,$(B)/bpf/%.skel.h,$(notdir $(BPF_SRCS)))

# tests/KIND/{test,root}_*.c are programs; other C files there belong to all of them.
TEST_MAINS := $(sort $(wildcard tests/unit/test_*.c tests/unit/root_*.c tests/bpf/test_*.c))
TEST_PARTS := $(filter-out $(TEST_MAINS) $(BPF_SRCS),$(wildcard tests/unit/*.c tests/bpf/*.c))
TEST_BINS := $(TEST_MAINS:%.c=$(B)/%)

ifeq ($(V),1)
Q :=
msg := @:
else
Q := @
msg = @printf '  %-8s %s\n'
MAKEFLAGS += --no-print-directory
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all tests tests-bpf deps demo test check check-root check-bpf check-e2e test-fresh test-kernels \
	kernel-shell lint bench bench-check \
	install uninstall clean help FORCE

# What tools/bench needs beside its scripts.
BENCH_MADE := flows pingpong nap.so $(patsubst tools/bench/%.c,%.o,$(wildcard tools/bench/*.bpf.c))
all: $(B)/fastveth $(BENCH_MADE:%=$(B)/bench/%)

help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))

#: all          build/fastveth (default)
#: deps         install the missing packages; DEPS="build test bench" says for what
#: demo         install, build, and show a network of namespaces (root)
#: test         install, build, and run every test (root)
#: check        unit tests (no root); check-root, check-bpf, check-e2e: the others (root)
#: test-fresh   demo and test in fresh Debian systems; SUITES="bookworm trixie" (root)
#: test-kernels the BPF and end-to-end tests on other kernels; KERNELS="5.10 6.1 6.12 7.2" (root)
#: kernel-shell a shell on one of them, KERNELS=6.1, with this tree (root)
#: lint         format, layers, house rules
#: bench        measure (root), into build/bench.json and build/bench.html
#: bench-check  does the datapath keep tools/bench/budget.json? (root), 2 minutes
#: install      DESTDIR= PREFIX=/usr/local; uninstall takes the same away
#: clean        remove build/
#:
#: V=1 shows commands. CC, CLANG, LLVM_STRIP, BPFTOOL, CFLAGS, LDFLAGS, VERSION can be set.
#: TESTS="NAME..." runs only the tests whose names match, with check-*, test and test-kernels.

# A stamp changes when its text does: compilers and flags are dependencies, too.
stamp = @mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(1))' >$@.new && \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(B)/stamp/cc: FORCE
	@$(PKG_CONFIG) --exists --print-errors $(PKGS) || \
		{ echo "libraries are missing: run 'make deps' as root" >&2; exit 1; }
	$(call stamp,$(shell $(CC) --version 2>&1 | head -n 1) $(CFLAGS) $(COMMON) $(HARDEN))

$(B)/stamp/san: FORCE
	$(call stamp,$(shell $(CC) --version 2>&1 | head -n 1) $(COMMON) $(SAN))

$(B)/stamp/ld: FORCE
	$(call stamp,$(LDFLAGS) $(LIBS) $(OBJS))

$(B)/stamp/san-ar: FORCE
	$(call stamp,$(SAN_OBJS))

$(B)/stamp/version: FORCE
	$(call stamp,$(VERSION))

$(B)/stamp/bpf: FORCE
	@command -v $(CLANG) >/dev/null && command -v $(BPFTOOL) >/dev/null || \
		{ echo "clang or bpftool is missing: run 'make deps' as root" >&2; exit 1; }
	$(call stamp,$(shell $(CLANG) --version 2>&1 | head -n 1) $(BPF_CFLAGS) \
		$(LLVM_STRIP) $(shell $(BPFTOOL) version 2>&1 | head -n 1))

# BPF: object without DWARF (BTF stays), then its skeleton.
vpath %.bpf.c bpf tests/bpf tools/bench
$(B)/bpf/%.bpf.o: %.bpf.c $(B)/stamp/bpf
	$(msg) BPF $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

# What the benchmark compares with, and loads with.
$(B)/bench/%.bpf.o: $(B)/bpf/%.bpf.o
	$(Q)mkdir -p $(@D) && cp $< $@
$(B)/bench/flows $(B)/bench/pingpong: $(B)/bench/%: tools/bench/%.c $(B)/stamp/cc
	$(msg) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) $(HARDEN) -pie $(LDFLAGS) -o $@ $< -lm
$(B)/bench/nap.so: tools/bench/nap.c $(B)/stamp/cc
	$(msg) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) $(HARDEN) -fPIC -shared $(LDFLAGS) -o $@ $<

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(msg) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $* >$@

# Files that print the version are built again when it changes, others are not.
VERSION_SRCS := $(if $(SRCS),$(shell grep -l FV_VERSION $(SRCS)))
VERSION_OBJS := $(VERSION_SRCS:%.c=$(B)/obj/%.o) $(VERSION_SRCS:%.c=$(B)/san/%.o)
$(VERSION_OBJS): COMMON += -DFV_VERSION='"$(VERSION)"'
$(VERSION_OBJS): $(B)/stamp/version

$(B)/obj/%.o: %.c $(B)/stamp/cc | $(SKELS)
	$(msg) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) $(HARDEN) -MMD -MP -c $< -o $@

$(B)/fastveth: $(OBJS) $(B)/stamp/ld
	$(msg) LINK $@
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $(OBJS) $(LIBS)

# Tests: everything but main() once more, with the sanitizers.
tests: $(TEST_BINS) $(B)/tests/refuse.so $(B)/bpf/sum.bpf.o
tests-bpf: $(filter $(B)/tests/bpf/%,$(TEST_BINS))

# The sanitizers make gcc see ghosts; the plain build has judged these files.
$(B)/san/user/%.o: SAN += -w
$(B)/san/tests/%.o: COMMON += -Itests
$(B)/san/%.o: %.c $(B)/stamp/san | $(SKELS)
	$(msg) CC-SAN $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) $(SAN) -MMD -MP -c $< -o $@

$(SAN_LIB): $(SAN_OBJS) $(B)/stamp/san-ar
	$(Q)rm -f $@ && $(AR) rcs $@ $(SAN_OBJS)

$(B)/tests/refuse.so: tests/e2e/refuse.c $(B)/stamp/cc
	$(msg) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -fPIC -shared -o $@ $< -ldl

# " * wrap: NAME..." in a test's head comment lets it replace functions: __wrap_NAME().
wrap = $(shell sed -n 's/^ \* wrap://p' $(1))
parts = $(patsubst %.c,$(B)/san/%.o,$(filter $(1)/%,$(TEST_PARTS)))
define test_rule
$(B)/$(1): $(B)/san/$(1).o $$(call parts,$(patsubst %/,%,$(dir $(1)))) $$(SAN_LIB)
	$$(msg) LINK $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(SAN) $$(LDFLAGS) $$(addprefix -Wl$$(comma)--wrap=,$$(call wrap,$(1).c)) \
		-o $$@ $$(filter %.o,$$^) $$(SAN_LIB) $$(LIBS) -lcmocka
endef
comma := ,
$(foreach t,$(TEST_MAINS:%.c=%),$(eval $(call test_rule,$(t))))

CLANG_MAJOR = $(shell $(CLANG) --version 2>/dev/null | sed -nE '1s/.*version ([0-9]+).*/\1/p')
RUN_TESTS = FASTVETH=$(CURDIR)/$(B)/fastveth FV_CLANG=$(CLANG_MAJOR) tests/harness/run --build $(B)
check: tests
	@$(RUN_TESTS) --kind "unit bench" $(TESTS)
check-root: tests
	@$(RUN_TESTS) --kind root $(TESTS)
check-bpf: tests
	@$(RUN_TESTS) --kind bpf $(TESTS)
check-e2e: all $(B)/tests/refuse.so
	@$(RUN_TESTS) --kind e2e $(TESTS)

root = @[ "$$(id -u)" = 0 ] || { echo "make $@ needs root: sudo make $@" >&2; exit 1; }

# Packages come before the build, so the build is another make.
deps:
	@tools/deps $(DEPS)
test:
	$(root)
	@tools/deps build test
	@$(MAKE) all tests
	@$(RUN_TESTS) $(TESTS)
demo:
	$(root)
	@tools/deps build demo
	@$(MAKE) all
	@tools/demo
bench:
	$(root)
	@tools/deps build bench
	@$(MAKE) all
	@tools/bench/run
bench-check:
	$(root)
	@tools/deps build bench
	@$(MAKE) all
	@tools/bench/check
test-fresh:
	@tests/fresh/run $(SUITES)
test-kernels:
	$(root)
	@tools/deps build test vm
	@$(MAKE) all tests
	@tests/vm/run $(VM_OPTIONS) $(KERNELS) $(if $(TESTS),-- $(TESTS))
kernel-shell:
	$(root)
	@tools/deps vm
	@tests/vm/shell $(KERNELS)

lint: $(SKELS)
	@CC='$(CC)' CLANG='$(CLANG)' COMMON='$(COMMON)' BPF_CFLAGS='$(BPF_CFLAGS)' tools/lint/run

# file:place:mode, once for both directions. NetworkManager reads no other directory of
# packages, systemd also those of /usr/local.
SYSTEMD := $(or $(filter /usr/local,$(PREFIX)),/usr)/lib/systemd
INSTALL := $(B)/fastveth:$(PREFIX)/bin/fastveth:755 \
	user/cli/fastveth.8:$(PREFIX)/share/man/man8/fastveth.8:644 \
	tools/completion:$(PREFIX)/share/bash-completion/completions/fastveth:644 \
	tools/lab.yaml:$(PREFIX)/share/doc/fastveth/lab.yaml:644 \
	tools/host/90-fastveth.conf:/usr/lib/NetworkManager/conf.d/90-fastveth.conf:644 \
	tools/host/10-fastveth.network:$(SYSTEMD)/network/10-fastveth.network:644 \
	$(B)/fastveth-watch.service:$(SYSTEMD)/system/fastveth-watch.service:644
BENCH_SCRIPTS := run compare report check progcost scale sandbox
BENCH_DATA := $(wildcard tools/bench/lib/*) tools/bench/README.md tools/bench/budget.json
BENCH_DIR := $(PREFIX)/libexec/fastveth/bench
INSTALL += $(foreach f,$(BENCH_SCRIPTS),tools/bench/$f:$(BENCH_DIR)/$f:755) \
	$(foreach f,$(BENCH_DATA),$f:$(BENCH_DIR)/$(f:tools/bench/%=%):644) \
	$(foreach f,$(BENCH_MADE),$(B)/bench/$f:$(BENCH_DIR)/$f:755)
$(B)/fastveth-watch.service: tools/host/fastveth-watch.service FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed 's,@PREFIX@,$(PREFIX),' $< >$@
install: all $(B)/fastveth-watch.service
	$(Q)set -e; for i in $(INSTALL); do IFS=:; set -- $$i; unset IFS; \
		install -D -m $$3 $$1 "$(DESTDIR)$$2"; echo "  INSTALL  $(DESTDIR)$$2"; done
uninstall:
	$(Q)set -e; for i in $(INSTALL); do IFS=:; set -- $$i; unset IFS; \
		rm -f "$(DESTDIR)$$2"; done
	$(Q)rmdir "$(DESTDIR)$(PREFIX)/share/doc/fastveth" "$(DESTDIR)$(BENCH_DIR)/lib" \
		"$(DESTDIR)$(BENCH_DIR)" "$(DESTDIR)$(PREFIX)/libexec/fastveth" 2>/dev/null || :

clean:
	rm -rf $(B)

-include $(wildcard $(B)/bpf/*.d) $(OBJS:.o=.d) $(SAN_OBJS:.o=.d)
-include $(TEST_MAINS:%.c=$(B)/san/%.d) $(TEST_PARTS:%.c=$(B)/san/%.d)
