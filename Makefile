# The front door; the build itself is Meson's.  Everything lands in build/.
BUILD = build/release
JOBS ?= 2
FUZZ_SECONDS ?= 60
BENCH_OPTIONS =
export JOBS

.DEFAULT_GOAL = help
.PHONY: help deps build run check pg check-pg check-plain-versions check-s3 install-pg asan tsan clang \
	valgrind fuzz coverage bench-build bench-log bench-scale bench-pg lint format \
	install clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' \
	    Makefile

deps: ## install what building and checking need, from Debian
	@tools/install-deps build check pg

build: ## build the library and the command
	@tools/install-deps build
	@test -f $(BUILD)/build.ninja || meson setup -Dtests=false $(BUILD)
	@ninja -j $(JOBS) -C $(BUILD)

run: build ## build, then show the main job on real input
	@tools/demo $(BUILD)/src/tally

check: deps ## every build, every test, and a line that counts
	@tools/check

pg: ## build the PostgreSQL extension
	@tools/install-deps build pg
	@$(MAKE) -s -j $(JOBS) -C pg

check-pg: ## the tests of the PostgreSQL extension
	@tools/install-deps build pg
	@tools/check pg

check-s3: build ## the sink for S3 against a real radosgw, of Debian
	@tools/check-s3

check-plain-versions: build ## tally pg sql on PostgreSQL 13 to 18, fetched by npm
	@tools/check-plain-versions $(BUILD)/src/tally

install-pg: pg ## install the extension; honours PG_CONFIG and DESTDIR
	@$(MAKE) -s -C pg install

asan: deps ## the tests under AddressSanitizer and UBSan
	@tools/check asan

tsan: deps ## the concurrency tests under ThreadSanitizer
	@tools/check tsan

clang: deps ## the unit tests, built with clang
	@tools/check clang

valgrind: ## the unit tests under valgrind
	@tools/install-deps build check dev
	@tools/check valgrind

fuzz: ## every fuzzer for FUZZ_SECONDS (60)
	@tools/install-deps build check dev
	@tools/fuzz $(FUZZ_SECONDS)

coverage: ## lines and branches covered by the tests
	@tools/install-deps build check dev
	@tools/coverage

bench-build:
	@tools/install-deps build bench
	@test -f $(BUILD)/build.ninja || meson setup -Dtests=false $(BUILD)
	@meson configure -Dbench=true $(BUILD)
	@ninja -j $(JOBS) -C $(BUILD)

bench-log: bench-build ## the table of the file log beside its peers
	@python3 bench/bench_log.py --cell $(CURDIR)/$(BUILD)/bench/bench_cell \
	    --shim $(CURDIR)/$(BUILD)/bench/slow_sync.so $(BENCH_OPTIONS)

bench-scale: bench-build ## a log of 10 million records beside a short one
	@tools/bench-scale $(BUILD)/bench/bench_scale $(BENCH_OPTIONS)

bench-pg: bench-build ## audit tables in PostgreSQL, chained in several ways
	@tools/install-deps pg
	@python3 bench/pg/bench_pg.py \
	    --shim $(CURDIR)/$(BUILD)/bench/slow_sync.so $(BENCH_OPTIONS)

lint: ## clang-format, pgindent, clang-tidy, shellcheck
	@tools/install-deps build check dev
	@tools/lint

format: ## clang-format and pgindent over the whole tree, in place
	@tools/install-deps dev
	@git ls-files '*.c' '*.h' ':!pg' | xargs -r clang-format-14 -i --style=file
	@tools/pgindent

install: build ## install; honours DESTDIR
	@meson install --no-rebuild -C $(BUILD)

clean: ## remove build/ and what make pg built
	rm -rf build pg/build pg/tally.so
