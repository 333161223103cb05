# sledstore: build, try, test and install it. `make` alone tells what there is.
# Needed: Rust (cargo), make, a C compiler. Everything that is built lands in build/ and in cargo's target directory.

.DEFAULT_GOAL := help
.PHONY: help all quickstart examples check format test aarch64 bench bench-deps powerloss crash header install uninstall clean

# The version is written in Cargo.toml and nowhere else. The soname carries the first number: programs
# linked with one release start with every other release of that number.
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
SONAME  := libsledstore.so.$(firstword $(subst ., ,$(VERSION)))
SHARED  := build/libsledstore.so.$(VERSION)
STATIC  := build/libsledstore.a

PREFIX       ?= /usr/local
LIBDIR       ?= $(PREFIX)/lib
INCLUDEDIR   ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig

CARGO   ?= cargo
# An allocator of the library's own for what is built here: the checkpoint takes a third less CPU with it.
# FEATURES= leaves it out, and the library then allocates as the program does.
FEATURES ?= mimalloc
CFLAGS  ?= -O2
INSTALL ?= install
OBJCOPY ?= objcopy

# Cargo knows best where it builds: there is an environment variable and there are settings for it.
# Asked once, and only when something is built.
target_dir = $(eval target_dir := $$(shell $(CARGO) metadata --no-deps --format-version 1 | \
	sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'))$(target_dir)

SOURCES := Cargo.toml Cargo.lock rust-toolchain.toml $(wildcard build.rs) $(shell find src -name '*.rs')

help:
	@echo 'make quickstart   build the library and examples/quickstart.c, and run it'
	@echo 'make examples     build and run the programs in examples/ that need no data'
	@echo 'make check        formatting, lints and the quick tests, in under two minutes'
	@echo 'make test         run every test: Rust, C, the header, an installation'
	@echo 'make aarch64      build for aarch64 and run the C tests in an emulator (as root, from packages of Debian)'
	@echo 'make bench        measure what things cost, beside raw sled and beside other stores (QUICK=1: try it)'
	@echo 'make bench-deps   install these other stores, on Debian (RocksDB, LevelDB, LMDB, SQLite)'
	@echo 'make powerloss    cut the power 1,000 times and look at what is left (STATES=n for n times)'
	@echo 'make crash        kill a writer 1,000 times and look at what is left (KILLS=n for n times)'
	@echo 'make all          build the shared and the static library into build/'
	@echo 'make install      install both with header and pkg-config file below PREFIX ($(PREFIX))'
	@echo 'make uninstall    remove what install installed'
	@echo 'make format       format the Rust and the C files, as .ci/run wants them'
	@echo 'make header       write include/sledstore.h anew from the Rust source'
	@echo 'make clean        remove what was built'
	@echo
	@echo 'install heeds DESTDIR, PREFIX, LIBDIR, INCLUDEDIR and PKGCONFIGDIR.'

all: $(SHARED) $(STATIC)

# The links are what the linker (libsledstore.so) and the running program (the soname) look for.
$(SHARED): $(SOURCES)
	$(CARGO) build --release --locked $(if $(FEATURES),--features $(FEATURES))
	mkdir -p build
	$(INSTALL) -m 755 $(target_dir)/release/libsledstore.so $@
	ln -sf $(@F) build/$(SONAME)
	ln -sf $(SONAME) build/libsledstore.so

# The archive that cargo makes shows every symbol of the Rust standard library and of the crates inside, which
# clash with those of a second Rust library in the same program. So its objects become one, in which only
# sledstore_* stays visible. --force-group-allocation belongs to it: without it the program links, and
# crashes at the first panic instead of catching it, because the tables of the unwinder are in section groups
# that the linker then throws away. tests/install checks that a panic is still caught.
# Debug information goes, as every program would carry it. Without GNU ld and objcopy, the archive is cargo's.
$(STATIC): $(SHARED)
	rm -f $@
	if $(LD) --help 2>/dev/null | grep -q force-group-allocation && $(OBJCOPY) --version >/dev/null 2>&1; then \
		$(LD) -r --force-group-allocation --whole-archive $(target_dir)/release/libsledstore.a -o build/sledstore.o && \
		$(OBJCOPY) --wildcard --keep-global-symbol='sledstore_*' --strip-debug \
			--remove-section=.llvmbc --remove-section=.llvmcmd build/sledstore.o && \
		$(AR) rcs $@ build/sledstore.o && rm build/sledstore.o; \
	else \
		echo 'No GNU ld and objcopy: $@ will show the symbols of the Rust standard library too.' && \
		$(INSTALL) -m 644 $(target_dir)/release/libsledstore.a $@; \
	fi

# $ORIGIN is the directory that the program lies in, so that it finds the library without an installation.
EXAMPLES := $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))

$(EXAMPLES): build/%: examples/%.c include/sledstore.h $(SHARED)
	$(CC) -std=c99 -pedantic -Wall -Wextra -pthread $(CPPFLAGS) $(CFLAGS) -Iinclude $< -o $@ \
		$(LDFLAGS) -Lbuild -lsledstore -Wl,-rpath,'$$ORIGIN'

# Each of these checks itself and fails if it saw anything wrong.
examples: $(EXAMPLES)
	build/bank
	build/counter
	build/snapshot
	build/watch
	rm -rf build/backup.data && mkdir build/backup.data
	build/backup build/backup.data
	rm -r build/backup.data

quickstart: build/quickstart
	rm -rf build/quickstart.data
	build/quickstart

test: all build/quickstart examples
	$(CARGO) test --locked --features typed
	tests/install/run

# What is quick, for work in progress: under two minutes on two cores once everything is built.
check:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked --lib --test model --test header --test c_suite

# The header is generated, and stays as it is.
format:
	$(CARGO) fmt
	clang-format -i c-tests/*.[ch] examples/*.c benches/*/*.[ch]

# Says aloud where it cannot be done.
aarch64:
	tests/aarch64/run

# Part of the tests too, with fewer states. The seed is printed; SLEDSTORE_POWERLOSS_SEED repeats the choice.
STATES ?= 1000
powerloss:
	SLEDSTORE_POWERLOSS_STATES=$(STATES) $(CARGO) test --locked --test powerloss -- --nocapture

# Part of the tests too, with fewer kills.
KILLS ?= 1000
crash:
	SLEDSTORE_KILLS=$(KILLS) $(CARGO) test --locked --test concurrency acknowledged

# Everything that docs/costs.md tells, measured in one run, as tables in Markdown: `make -s bench > tables.md`.
# What else the machine does in the meantime is in the figures, too.
# QUICK=1 only shows that all of it runs, in under three minutes once it is built.
ifdef QUICK
BENCH_ROWS    ?= 20000
BENCH_ROUNDS  ?= 1
BENCH_SECONDS ?= 2
BENCH_PUTS    ?= 100000
else
BENCH_ROWS    ?= 1000000
BENCH_ROUNDS  ?= 3
BENCH_SECONDS ?= 60
BENCH_PUTS    ?= 5000000
endif
BENCH_DATA := build/bench.data
OWN_BENCHES := $(patsubst benches/sledstore/%.c,build/bench-%,$(wildcard benches/sledstore/*.c))
rust_bench = BENCH_ROWS=$(BENCH_ROWS) BENCH_ROUNDS=$(BENCH_ROUNDS) TMPDIR=$(CURDIR)/$(BENCH_DATA) \
	$(CARGO) bench --locked --bench $(1)

bench: build/peers build/plain/$(SONAME) $(OWN_BENCHES)
	rm -rf $(BENCH_DATA) && mkdir $(BENCH_DATA)
	@printf '## Beside other stores\n\nThe other library allocates as the program does, with malloc.\n\n'
	build/peers $(BENCH_DATA) $(BENCH_ROWS) $(BENCH_ROUNDS) build/plain
	@printf '\n## While the memtables take it\n\n'
	build/bench-caller $(BENCH_DATA) $(BENCH_ROUNDS)
	@printf '\n## Stalls\n\n'
	build/bench-stalls $(BENCH_DATA) $(BENCH_SECONDS) $(BENCH_PUTS)
	@printf '\n## Gets beside other work\n\n'
	build/bench-readers $(BENCH_DATA) $(BENCH_ROWS) $(BENCH_ROUNDS)
	@printf '\n## Opening beside raw sled\n\n'
	$(call rust_bench,opening)
	@printf '\n## Moments beside raw sled\n\n'
	$(call rust_bench,moments)
	rmdir $(BENCH_DATA)

$(OWN_BENCHES): build/bench-%: benches/sledstore/%.c benches/sledstore/harness.h benches/common/bench.h include/sledstore.h $(SHARED)
	$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -pthread $(CPPFLAGS) $(CFLAGS) -Iinclude $< -o $@ \
		$(LDFLAGS) -Lbuild -lsledstore -Wl,-rpath,'$$ORIGIN'

# Without the features, for comparison. In a directory of cargo's of its own: what is in the other one is linked into $(STATIC).
build/plain/$(SONAME): $(SOURCES)
	$(CARGO) build --release --locked --target-dir build/plain/target
	$(INSTALL) -m 755 build/plain/target/release/libsledstore.so $@

# Each store that the benchmark knows: its file, the header that tells whether it is there, its library.
PEERS := lmdb:lmdb.h:lmdb leveldb:leveldb/c.h:leveldb rocksdb:rocksdb/c.h:rocksdb sqlite:sqlite3.h:sqlite3
peer_field = $(word $(2),$(subst :, ,$(1)))
has_header = $(shell echo '\#include <$(1)>' | $(CC) -E - >/dev/null 2>&1 && echo yes)
PEERS_HERE = $(eval PEERS_HERE := $(foreach peer,$(PEERS),$(if $(call has_header,$(call peer_field,$(peer),2)),$(peer))))$(PEERS_HERE)

build/peers: $(wildcard benches/peers/*) benches/common/bench.h include/sledstore.h $(SHARED)
	$(CC) -std=c11 -Wall -Wextra -pthread $(CPPFLAGS) $(CFLAGS) -Iinclude \
		$(foreach peer,$(PEERS_HERE),-DHAVE_$(shell echo $(call peer_field,$(peer),1) | tr a-z A-Z)) \
		benches/peers/driver.c benches/peers/work.c benches/peers/sledstore.c \
		$(foreach peer,$(PEERS_HERE),benches/peers/$(call peer_field,$(peer),1).c) -o $@ \
		$(LDFLAGS) -Lbuild -lsledstore -Wl,-rpath,'$$ORIGIN' $(foreach peer,$(PEERS_HERE),-l$(call peer_field,$(peer),3))

# On Debian and its relatives, as root.
bench-deps:
	apt-get install --no-install-recommends librocksdb-dev libleveldb-dev liblmdb-dev libsqlite3-dev

header:
	SLEDSTORE_UPDATE_HEADER=1 $(CARGO) test --locked --test header

# The pkg-config file says where it lies relative to itself, so that the installed tree can be moved.
install: all
	$(INSTALL) -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(PKGCONFIGDIR)
	$(INSTALL) -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libsledstore.so
	$(INSTALL) -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 include/sledstore.h $(DESTDIR)$(INCLUDEDIR)
	sed -e 's|@VERSION@|$(VERSION)|' \
		-e "s|@PREFIX@|\$${pcfiledir}/$$(realpath -ms --relative-to=$(PKGCONFIGDIR) $(PREFIX))|" \
		-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
		-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
		sledstore.pc.in > build/sledstore.pc
	$(INSTALL) -m 644 build/sledstore.pc $(DESTDIR)$(PKGCONFIGDIR)

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(SHARED)) $(SONAME) libsledstore.so libsledstore.a)
	rm -f $(DESTDIR)$(INCLUDEDIR)/sledstore.h $(DESTDIR)$(PKGCONFIGDIR)/sledstore.pc

clean:
	rm -rf build
	$(CARGO) clean --package sledstore
