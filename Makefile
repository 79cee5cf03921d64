# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# GNU make. `make` builds build/synward; `make help` lists the rest.

VERSION := 0.1.0
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
ZSH_DIR ?= $(PREFIX)/share/zsh/site-functions
CLANG ?= clang
BPFTOOL ?= bpftool
BPF_CPU ?= v3
B := build

# bpftool, ip and tc live in sbin, which is not in every user's PATH
export PATH := $(PATH):/usr/sbin:/sbin

ifeq ($(origin CC),default)
CC := gcc
endif
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14 clang-format) clang-format-14)

WARN := -Wall -Wextra -Werror
# the same bytes in whichever folder it is built
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=.
BPF_CFLAGS ?= -O2 -g
CFLAGS ?= -O2 -g
comma := ,
space := $() $()
SW_CPPFLAGS := -D_GNU_SOURCE -DSW_VERSION='"$(VERSION)"' -Iinclude -Isrc -Ibpf -I$(B)
SW_CFLAGS := -std=gnu11 $(WARN) -MMD -MP
LIBS := -lxdp -lbpf -lelf -lmnl -lpcap -lz -lmd -lcap-ng -lseccomp -ljson-c $(or $(shell pkg-config --libs ncursesw 2>/dev/null),-lncursesw -ltinfo)

SRC := $(sort $(shell find src -name '*.c'))
SKEL := $(B)/synward.skel.h $(B)/synward_nokfunc.skel.h $(B)/synward_old.skel.h
OBJ := $(SRC:%.c=$(B)/%.o)
PIECES := $(filter-out $(B)/src/main.o,$(OBJ))
TESTLIB_SRC := $(filter-out $(wildcard tests/lib/tool_*.c),$(wildcard tests/lib/*.c))
TESTLIB := $(TESTLIB_SRC:%.c=$(B)/%.o)

# The same under the sanitizers, compiled once, by clang: a shared object without main() for the unit and BPF tests, an
# archive for the fuzz targets (each takes only what it needs), and the whole program. Coverage sets SAN_CC and SANITIZE.
SAN_CC ?= clang
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_COMPILE := $(SANITIZE) -fPIC $(if $(findstring -fsanitize=,$(SANITIZE)),-fsanitize=fuzzer-no-link)
SAN_OBJ := $(SRC:%.c=$(B)/san/%.o)
SAN_PIECES := $(filter-out $(B)/san/src/main.o,$(SAN_OBJ))
SAN_TESTLIB := $(TESTLIB_SRC:%.c=$(B)/san/%.o)
SAN_SO := $(B)/san/libsynward-test.so

# programs of their own: build/tests/unit/NAME is tests/unit/NAME.c
UNITS := $(patsubst %.c,$(B)/%,$(shell find tests/unit -name '*.c'))
PROGS := $(patsubst %.c,$(B)/%,$(shell find tests/prog -name '*.c'))
BENCHES := $(patsubst tests/bench/%.c,$(B)/tests/bench_%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
# programs that the namespace tests run, each one file: traffic makers and the like
TOOLS := $(patsubst tests/lib/tool_%.c,$(B)/tests/tool_%,$(wildcard tests/lib/tool_*.c))
# libFuzzer targets, each one file
FUZZES := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))

C_FILES := $(shell find include src bpf tests -name '*.[ch]')
SH_FILES := $(shell grep -rlE '^\#!.*\b(ba)?sh\b' .ci tests src/dist 2>/dev/null) docs/synward.bash-completion

all: $(B)/synward ## build/synward; needs no root and no network

help: ## this list
	@sed -nE 's/^([a-z][a-z_.-]*):.*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | sort | awk -F '\t' '{ printf "%-22s%s\n", $$1, $$2 }'

$(B)/.tools: Makefile
	@for t in $(firstword $(CC)) $(firstword $(CLANG)) $(BPFTOOL); do command -v $$t >/dev/null || \
	  { echo "synward: $$t is missing; 'sudo tests/setup' installs what the build needs" >&2; exit 1; }; done
	@for h in bpf/libbpf.h xdp/libxdp.h pcap/pcap.h libelf.h libmnl/libmnl.h zlib.h sha1.h cap-ng.h seccomp.h json-c/json.h curses.h; do \
	  echo "#include <$$h>" | $(CC) $(CPPFLAGS) -include sys/types.h -E -x c - >/dev/null 2>&1 || \
	  { echo "synward: header $$h is missing; 'sudo tests/setup' installs what the build needs" >&2; exit 1; }; done
	@mkdir -p $(B)/tests
	@touch $@

# Three forms of one source: all of it; without kfuncs, so that it loads without reading the kernel's types; and for
# kernels before 5.18.
$(B)/synward_nokfunc.bpf.o: FORM := -DSW_NO_KFUNC
$(B)/synward_old.bpf.o: FORM := -DSW_OLD
$(SKEL:.skel.h=.bpf.o): bpf/synward.bpf.c | $(B)/.tools
	$(CLANG) $(BPF_CFLAGS) $(PREFIX_MAP) $(FORM) -target bpf -mcpu=$(BPF_CPU) $(WARN) -Iinclude -Ibpf \
	  $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH)) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.dwarf
	@$(BPFTOOL) gen object $@ $@.dwarf && rm -f $@.dwarf

$(B)/%.skel.h: $(B)/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

# The skeletons are there before any object, and only what includes one is compiled again when it changes (-MMD).
$(B)/src/%.o: src/%.c | $(SKEL)
	@mkdir -p $(@D)
	$(CC) $(SW_CPPFLAGS) $(CPPFLAGS) $(SW_CFLAGS) $(PREFIX_MAP) $(CFLAGS) -c $< -o $@

# the programs' sources read addresses as words, as their machine does
$(B)/src/native/tracker.o $(B)/san/src/native/tracker.o: SW_CFLAGS += -fno-strict-aliasing

# libbpf=1.1.2,...: what `synward --version` says it was built with; glibc has no file of pkg-config's
LIBRARIES := libbpf libxdp libelf zlib libpcap libmnl libmd libcap-ng libseccomp json-c ncursesw
VERSIONS = $(subst $(space),$(comma),$(strip $(foreach l,$(LIBRARIES),$(l)=$(or $(shell pkg-config --modversion $(l) 2>/dev/null),unknown))))
$(B)/src/cmd/version.o $(B)/san/src/cmd/version.o $(B)/tests/newer: SW_CPPFLAGS += -DSW_LIBRARIES='"$(VERSIONS)"'

# what the assembler reads; -MMD does not see it
$(B)/src/page/assets.o $(B)/san/src/page/assets.o: $(wildcard src/page/*.html src/page/*.css src/page/*.js)

$(B)/tests/lib/%.o: tests/lib/%.c | $(SKEL)
	@mkdir -p $(@D)
	$(CC) $(SW_CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(CFLAGS) -c $< -o $@

$(B)/synward: $(OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

$(B)/san/%.o: %.c | $(SKEL) $(B)/.fuzz-tools
	@mkdir -p $(@D)
	$(SAN_CC) $(SW_CPPFLAGS) $(CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(SAN_COMPILE) -c $< -o $@

$(SAN_SO): $(SAN_PIECES) $(SAN_TESTLIB)
	$(SAN_CC) $(SANITIZE) -shared $^ -o $@ $(LIBS)

# the whole program under the sanitizers
$(B)/synward-san: $(SAN_OBJ)
	$(SAN_CC) $(SANITIZE) $(LDFLAGS) $^ -o $@ $(LIBS)

# What the sanitizers call is not on the list of system calls that it tests: plain objects, in one piece.
$(B)/tests/unit/base/sandbox: tests/unit/base/sandbox.c $(PIECES)
	@mkdir -p $(@D)
	$(CC) $(SW_CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(CFLAGS) $< $(PIECES) -o $@ -lcmocka $(LIBS)

# A test's own code is not optimised: that takes more time than it saves, but for those that compute much.
TEST_OPT := -O0
$(B)/tests/unit/guard/syncookie_forge $(B)/tests/unit/guard/hash $(B)/tests/unit/tcp/zeek: TEST_OPT :=
$(filter-out $(B)/tests/unit/base/sandbox,$(UNITS)) $(PROGS): $(B)/%: %.c $(SAN_SO)
	@mkdir -p $(@D)
	$(SAN_CC) $(SW_CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(SANITIZE) $(TEST_OPT) $< $(SAN_SO) -Wl,-rpath,$(abspath $(B)/san) -o $@ -lcmocka $(LIBS)

# all of tests/prog in one program, for the guests
TOGETHER := $(B)/tests/together
TOGETHER_OBJ := $(patsubst $(B)/tests/prog/%,$(B)/together/%.o,$(PROGS))
$(B)/together/%.o: tests/prog/%.c | $(SKEL) $(B)/.fuzz-tools
	@mkdir -p $(@D)
	$(SAN_CC) $(SW_CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(SANITIZE) $(TEST_OPT) -DSW_TOGETHER -Dmain=main_$(subst /,_,$*) -c $< -o $@

$(B)/together/list.h: $(PROGS:$(B)/%=%.c)
	@mkdir -p $(@D)
	@printf 'PROG(%s)\n' $(subst /,$(comma),$(PROGS:$(B)/tests/prog/%=%)) >$@

$(TOGETHER): tests/vm/together.c $(B)/together/list.h $(TOGETHER_OBJ) $(SAN_SO)
	@mkdir -p $(@D)
	$(SAN_CC) $(SW_CPPFLAGS) -Itests/lib -I$(B) $(SW_CFLAGS) $(SANITIZE) $(TEST_OPT) $< $(TOGETHER_OBJ) $(SAN_SO) -Wl,-rpath,$(abspath $(B)/san) -o $@ -lcmocka $(LIBS)

$(B)/.fuzz-tools: | $(B)/.tools
	@echo 'int LLVMFuzzerTestOneInput(const char *p, long n); int LLVMFuzzerTestOneInput(const char *p, long n) { return p && n < 0; }' | \
	  $(SAN_CC) $(if $(findstring -fsanitize=,$(SANITIZE)),-fsanitize=fuzzer,-c) -x c - -o /dev/null 2>/dev/null || \
	  { echo "synward: $(SAN_CC) has no libFuzzer; 'sudo tests/setup' installs it (libclang-rt-dev)" >&2; exit 1; }
	@touch $@

$(B)/fuzz/pieces.a: $(SAN_PIECES) $(SAN_TESTLIB)
	@mkdir -p $(@D) && rm -f $@
	ar rcs $@ $^

$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/pieces.a
	$(SAN_CC) $(SW_CPPFLAGS) -Itests/lib $(SW_CFLAGS) $(SANITIZE) -fsanitize=fuzzer $< $(B)/fuzz/pieces.a \
	  -o $@ -lcmocka $(LIBS)

$(B)/tests/%.skel.h: tests/bench/%.bpf.c tests/bench/%.h | $(B)/.tools
	$(CLANG) $(BPF_CFLAGS) -target bpf -mcpu=$(BPF_CPU) $(WARN) -Iinclude -Ibpf $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH)) \
	  -c $< -o $(B)/tests/$*.bpf.o
	@$(BPFTOOL) gen skeleton $(B)/tests/$*.bpf.o name $*_bpf > $@.tmp && mv $@.tmp $@

$(B)/tests/gen.skel.h: bpf/guard/syncookie.h include/synward_siphash.h include/synward_guard.h
$(B)/tests/bench_path $(B)/tests/bench_scale: $(B)/tests/drive.skel.h
$(B)/tests/bench_syn $(B)/tests/tool_flood: $(B)/tests/gen.skel.h
$(B)/tests/bench_%: tests/bench/%.c $(PIECES) $(TESTLIB) | $(B)/.tools
	$(CC) $(SW_CPPFLAGS) -Itests/lib -I$(B)/tests $(SW_CFLAGS) $(CFLAGS) $< $(TESTLIB) $(PIECES) -o $@ -lcmocka $(LIBS) -lpthread

# the next release, for the test of an upgrade
VERSIONED := $(shell grep -l SW_VERSION $(SRC))
$(B)/tests/newer: $(OBJ)
	$(CC) $(subst "$(VERSION)","$(VERSION)-newer",$(SW_CPPFLAGS)) $(CPPFLAGS) -std=gnu11 $(WARN) $(CFLAGS) $(VERSIONED) \
	  $(filter-out $(VERSIONED:%.c=$(B)/%.o),$(OBJ)) $(LDFLAGS) -o $@ $(LIBS)

$(B)/tests/tool_%: tests/lib/tool_%.c | $(SKEL)
	$(CC) $(SW_CPPFLAGS) -Itests/lib -I$(B)/tests $(SW_CFLAGS) $(CFLAGS) $< -o $@ -lbpf -lpthread

# the lists of options in the documents, and the completions
DOCS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/option_docs/*.c))
$(B)/tests/option_docs/%.o: tests/option_docs/%.c | $(SKEL)
	@mkdir -p $(@D)
	$(CC) $(SW_CPPFLAGS) $(SW_CFLAGS) $(CFLAGS) -c $< -o $@

$(B)/tests/option_docs/print: $(DOCS) $(PIECES)
	$(CC) $(CFLAGS) $^ -o $@ $(LIBS)

options: $(B)/tests/option_docs/print ## writes what the tables of options say into man page and completions
	@tests/options --write

# what the verifier says of the programs, as the daemon loads them; for each compiler a tree of its own
$(B)/tests/cost: tests/vm/cost.c $(PIECES) | $(B)/.tools
	$(CC) $(SW_CPPFLAGS) $(SW_CFLAGS) $(CFLAGS) -Wl,--wrap=bpf_object__open_skeleton $< $(PIECES) -o $@ $(LIBS)

COST_CLANGS = $(foreach c,clang-14 clang-19,$(if $(shell command -v $(c)),$(c)))
costs:
	@for c in $(COST_CLANGS); do $(MAKE) B=$(B)/$$c CLANG=$$c $(B)/$$c/tests/cost || exit 1; done

verifier: costs ## what the running kernel's verifier pays, against tests/verifier.txt (root)
	@tests/verifier

setup: ## installs the Debian packages that are missing (root)
	tests/setup

tests: $(B)/synward-san $(UNITS) $(PROGS) $(TOOLS) $(B)/tests/newer $(B)/tests/option_docs/print $(FUZZES) ## builds all tests

# a build on all processors, unless the caller has said how many jobs
MAKE_ALL = $(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# needs only the tests that go into the guests; KERNELS chooses
KERNELS ?= 5.10 6.1 6.12
test-kernels: setup ## the tests in virtual machines: KERNELS='5.10 6.1 6.12' [SHORT=1] (root)
	+$(MAKE_ALL) all costs $(TOGETHER) $(TOOLS)
	@tests/vm/kernels $(if $(SHORT),--short) $(KERNELS)

# setup comes first, also under -j: what it installs is what the build looks for
test: setup ## every test (root); tests/run PATTERN runs some
	+$(MAKE_ALL) all tests
	@tests/run

bench: setup ## what a packet, an event and a flood cost (root)
	+$(MAKE_ALL) all $(BENCHES) $(TOOLS)
	@tests/bench/run $(if $(OBJECT),--object '$(OBJECT)' $(MAPS:%=--map '%'))

# mixed traffic and floods for T seconds, then the counters
soak: setup ## mixed traffic and floods for T=600 seconds, then the accounts (root)
	+$(MAKE_ALL) all $(TOOLS)
	@tests/bench/soak $(or $(T),600)

# each known attack (docs/attacks.md) over and over, for T seconds in all
siege: setup ## the known attacks at once, beside real clients, for T=600 seconds (root)
	+$(MAKE_ALL) all $(TOOLS)
	@SW_TEST_SIEGE=$(or $(T),600) tests/net/guard_siege.py

# every target of tests/fuzz for T seconds: make fuzz T=3600 TARGETS="parse cidr"
fuzz: setup ## each fuzz target for T=60 seconds; TARGETS='parse cidr' (root)
	+$(MAKE_ALL) $(FUZZES)
	@tests/fuzz/run -t $(or $(T),60) $(TARGETS)

# What .ci/run leaves out or does briefly: old kernels and the long namespace tests in virtual machines, every test with
# 200 kills and under valgrind, packages on systems of their own, coverage, ten minutes of soak, a siege of 15 minutes, an hour of fuzzing, the benchmarks
# (each checks that it measures what it says). About five hours.
nightly: setup ## all that takes too long for each change (root)
	SW_TEST_LONG=1 tests/setup
	+$(MAKE_ALL) all tests
	SW_TEST_LONG=1 SW_TEST_TIMEOUT=1800 tests/run
	SW_TEST_EACH=1000 tests/net/join.py right turned missing
	$(MAKE) test-kernels KERNELS='5.10 6.1 6.12'
	$(MAKE) coverage
	$(MAKE) soak T=600
	$(MAKE) siege T=900
	$(MAKE) fuzz T=650
	SW_BENCH_ROUNDS=3 SW_BENCH_ATTACKS=1 $(MAKE) bench

# for editors and clangd: how each C file of src, bpf and tests/lib is compiled
compile_commands.json: Makefile $(SRC) ## the compiler's command of each file, for editors
	@jq -n --arg dir '$(CURDIR)' --arg host "$(CC) $(subst ',,$(subst ",\\\",$(SW_CPPFLAGS))) -Itests/lib -std=gnu11 $(WARN)" \
	  --arg bpf '$(CLANG) $(BPF_CFLAGS) -target bpf $(WARN) -Iinclude -Ibpf' \
	  '$$ARGS.positional | map({directory: $$dir, file: ., command: "\(if startswith("bpf/") then $$bpf else $$host end) -c \(.)"})' \
	  --args $(SRC) $(TESTLIB_SRC) bpf/synward.bpf.c > $@

demo: setup ## real clients and a flood in namespaces, events on the screen (root)
	+$(MAKE_ALL) all $(TOOLS)
	@tests/demo

demo-join: setup ## a router that kills three of twenty connections, and who says so (root)
	+$(MAKE_ALL) all
	@tests/demo_join

demo-gateway: setup ## two hosts behind a gateway, clients and a flood (root)
	+$(MAKE_ALL) all $(TOOLS)
	@tests/demo_gateway

format: ## clang-format over all C files
	$(CLANG_FORMAT) -i $(C_FILES)

format-check: ## fails where format would change something
	$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

lint: $(SKEL) ## layers, clang-tidy, cppcheck and REUSE
	@tests/layers
	@tests/lint

# what the tests run of src and of the pure headers; as root
coverage: setup ## which lines the tests run, a table (root)
	@tests/coverage

shellcheck: ## all shell scripts
	shellcheck $(sort $(wildcard $(SH_FILES)))

install: all install-files ## below DESTDIR and PREFIX: binary, man page, completions, systemd unit, logrotate snippet, alerts, dashboard, keys from etcd, scripts for watch

# of what is built; `all` would build it again where a package is made of it
install-files: $(if $(filter all install,$(MAKECMDGOALS)),all)
	install -D -m 755 $(B)/synward $(DESTDIR)$(SBINDIR)/synward
	install -D -m 644 docs/synward.8 $(DESTDIR)$(PREFIX)/share/man/man8/synward.8
	install -D -m 644 docs/synward.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/synward
	install -D -m 644 docs/_synward $(DESTDIR)$(ZSH_DIR)/_synward
	install -D -m 644 docs/synward.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/synward.fish
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/etc/default
	sed 's|@SBINDIR@|$(SBINDIR)|' 'src/dist/synward@.service.in' > '$(DESTDIR)$(PREFIX)/lib/systemd/system/synward@.service'
	chmod 644 '$(DESTDIR)$(PREFIX)/lib/systemd/system/synward@.service'
	install -d $(DESTDIR)/etc/logrotate.d
	[ -e $(DESTDIR)/etc/logrotate.d/synward ] || \
	  { sed 's|@SBINDIR@|$(SBINDIR)|' src/dist/logrotate > $(DESTDIR)/etc/logrotate.d/synward && chmod 644 $(DESTDIR)/etc/logrotate.d/synward; }
	install -D -m 644 src/dist/prometheus.rules.yml $(DESTDIR)$(PREFIX)/share/synward/prometheus.rules.yml
	install -D -m 644 docs/grafana.json $(DESTDIR)$(PREFIX)/share/synward/grafana.json
	install -D -m 755 src/dist/synward-etcd-keys $(DESTDIR)$(PREFIX)/share/synward/synward-etcd-keys
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/synward/watch src/dist/watch/*
	[ -e $(DESTDIR)/etc/default/synward ] || install -m 644 src/dist/synward.default $(DESTDIR)/etc/default/synward

# When what is packed was changed last: every file in a package has this time, so the same sources give the same bytes.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),$(shell stat -c %Y docs/CHANGELOG.md))
IMAGE := $(B)/synward-$(VERSION)-$(shell uname -m).oci.tar

image: all ## an OCI image of synward and its libraries alone, by buildah (root)
	SOURCE_DATE_EPOCH=$(EPOCH) src/dist/image $(B)/synward $(VERSION) $(IMAGE)
	@echo $(IMAGE)

sbom: all ## what the program is made of, as SPDX 2.3: build/synward-VERSION.spdx.json
	SOURCE_DATE_EPOCH=$(EPOCH) src/dist/sbom $(B)/synward $(VERSION) $(B)/synward-$(VERSION).spdx.json

deb: ## Debian packages of the system that it runs on, in build/deb
	src/dist/deb $(B)/deb
	@ls $(B)/deb/*.deb

rpm: ## RPM packages of the distribution that it runs on, and the source package for others, in build/rpm
	src/dist/rpm $(B)/rpm
	@ls $(B)/rpm/*.rpm

uninstall: ## removes what install put there
	rm -f $(DESTDIR)$(SBINDIR)/synward $(DESTDIR)$(PREFIX)/share/man/man8/synward.8 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/synward \
	  $(DESTDIR)$(ZSH_DIR)/_synward \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/synward.fish \
	  '$(DESTDIR)$(PREFIX)/lib/systemd/system/synward@.service' $(DESTDIR)/etc/logrotate.d/synward
	rm -rf $(DESTDIR)$(PREFIX)/share/synward

clean: ## removes build/
	rm -rf $(B)

# not of the systems that tests install packages on
-include $(shell find $(B) -path $(B)/dist -prune -o -name '*.d' -print 2>/dev/null)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help setup costs verifier tests test test-kernels nightly bench soak siege fuzz demo demo-join demo-gateway options format format-check lint coverage shellcheck install
.PHONY: uninstall install-files image sbom deb rpm clean
