# Every target is documented by the text after its "##"; `make` prints them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

GO ?= go
BIN := bin/rstprobe
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The race detector needs cgo and a C compiler; without them the tests run
# without it. RACE=-race insists.
RACE ?= $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null && echo -race)

TESTFLAGS ?=
CASE ?=
BENCH ?= .
BENCHFLAGS ?= -benchmem
COUNT ?= 6
FUZZTIME ?= 30s
SOAK ?= 20m
SOAKSEED ?= 1

# What needs a private network: the simulated and the real lab, the raw
# sockets, and the diagnosis over them.
LAB := ./internal/lab/... ./internal/wire/... ./internal/diagnosis/...

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

.PHONY: build
build: ## build the static binary bin/rstprobe
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-X main.release=$(VERSION)' -o $(BIN) ./cmd/rstprobe

.PHONY: man
man: build ## write the manual and the completion scripts, for packages, to bin
	$(BIN) man >$(BIN).1
	@for shell in bash zsh fish; do $(BIN) completion $$shell >$(BIN).$$shell; done; ls $(BIN).*

# Exit code 10 is what the demonstration is for: interference found. A CASE
# may also be one in which a server is innocent, exit code 0.
.PHONY: demo
demo: build ## build a censored path in private namespaces, diagnose it, tear it down (CASE=name for another one)
	@status=0; $(BIN) demo $(CASE) || status=$$?; \
	case "$(CASE):$$status" in *:10 | ?*:0) ;; \
	*) echo "demo: exit code $$status, want 10" >&2; exit 1 ;; esac

.PHONY: test
test: ## run all tests; those that need root say so and are skipped without it
	$(GO) test $(RACE) -timeout 30m $(TESTFLAGS) ./...

# The test binaries are built by the caller and only run with privileges: as
# root directly, else in a user namespace of their own, else through sudo. The
# cases mostly wait, so several run at a time, each in networks of its own.
.PHONY: lab
lab: ## run the tests that need a private network, skipping none: root, a user namespace or sudo
	@export RSTPROBE_REQUIRE=all; \
	run() { $(GO) test $(RACE) -count=1 -timeout 30m -parallel 3 $(TESTFLAGS) "$$@" $(LAB); }; \
	userns='unshare --user --map-root-user --net --mount'; \
	if [ "$$(id -u)" = 0 ]; then run; \
	elif $$userns true 2>/dev/null; then \
		run -exec "$$userns sh -c 'ip link set lo up; exec \"\$$0\" \"\$$@\"'"; \
	elif command -v sudo >/dev/null; then \
		sudo -v; run -exec 'sudo --preserve-env=RSTPROBE_REQUIRE,RSTPROBE_CAPTURES'; \
	else echo 'lab: needs root, unprivileged user namespaces or sudo' >&2; exit 1; fi

# It takes its time, so it is not among the tests.
.PHONY: soak
soak: ## watch a path of real kernels while boxes are switched on and off at random (SOAK=20m SOAKSEED=1)
	RSTPROBE_REQUIRE=all $(GO) test -count=1 -timeout 0 -v -run='^TestKernelSoak$$' ./cmd/rstprobe -soak=$(SOAK) -soak-seed=$(SOAKSEED)

.PHONY: bench
bench: ## run the benchmarks in benchstat's format (BENCH=regexp COUNT=6)
	@$(GO) test -run='^$$' -bench='$(BENCH)' -count=$(COUNT) $(BENCHFLAGS) ./...

.PHONY: fuzz
fuzz: ## run every fuzz target in turn (FUZZTIME=30s each)
	@$(GO) test -list='^Fuzz' ./... | awk ' \
		/^Fuzz/ { name[n++] = $$1 } \
		/^ok/ { for (i = 0; i < n; i++) print $$2, name[i]; found += n; n = 0 } \
		END { if (!found) { print "fuzz: no targets" > "/dev/stderr"; exit 1 } }' | while read -r package name; do \
		echo "== $$package $$name"; \
		$(GO) test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x "$$package" </dev/null; \
	done

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tidy go.mod
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -l: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

# A package takes part if its tests declare -update.
.PHONY: golden
golden: ## rewrite the golden files, then show what changed: review it as code
	@$(GO) test -run='^$$' ./... >/dev/null
	@for package in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		$(GO) test -run='^$$' "$$package" -update >/dev/null 2>&1 || continue; \
		$(GO) test "$$package" -update; \
	done
	@git diff --stat

.PHONY: cover
cover: ## statement coverage of the whole module, in cover.out
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	@$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: cross
cross: ## build for the other systems, which measure with ordinary sockets only
	@for system in linux/arm64 darwin/arm64 windows/amd64; do \
		echo "== $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) build ./...; \
	done

.PHONY: setcap
setcap: build ## let bin/rstprobe open raw sockets without root (asks sudo)
	sudo setcap cap_net_raw=p $(BIN)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin cover.out
