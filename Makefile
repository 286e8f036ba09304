# Tallygate. `make help` lists the targets.
SHELL := /bin/bash
TAGS  := nobadger,nomysql,nopgx
BUILD := build
BINARIES := TALLYGATE_BINARY=$(CURDIR)/$(BUILD)/tallygate TALLYGATE_FAILPOINT_BINARY=$(CURDIR)/$(BUILD)/tallygate-failpoints

.DEFAULT_GOAL := help
.PHONY: help run build build-failpoints test test-unit test-race test-integration setup lint bench bench-go fuzz torture mutants clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "make %-18s %s\n", $$1, $$2}'

run: build ## Run the gateway with a sample upstream and demo accounts; prints what to try. Ctrl-C ends it.
	$(BUILD)/demo -gateway $(BUILD)/tallygate -upstream $(BUILD)/sample-upstream -config Caddyfile.example

build: ## Build the gateway, the sample upstream and the demo into build/.
	@mkdir -p $(BUILD)
	go build -tags $(TAGS) -o $(BUILD)/tallygate ./cmd/tallygate
	cd integration && go build -o ../$(BUILD)/ ./cmd/demo ./cmd/sample-upstream

build-failpoints: # The gateway with places to be killed at, for tests only.
	go build -tags $(TAGS),failpoints -o $(BUILD)/tallygate-failpoints ./cmd/tallygate

test: lint test-unit test-race test-integration ## Run everything that a change has to pass (3 to 10 minutes on two cores).

lint: ## Check formatting and vet.
	@test -z "$$(gofmt -l .)" || { echo "gofmt these files:"; gofmt -l .; exit 1; }
	go vet -tags $(TAGS) ./...
	cd integration && go vet ./...

test-unit: ## Run the tests of the packages.
	go test -tags $(TAGS) ./...
	go test -tags failpoints ./failpoint

test-race: ## Run those of the counting core with the race detector, which needs a C compiler.
	@if command -v $${CC:-gcc} >/dev/null; then set -x; go test -race ./meter/... ./billing ./web ./caddymodule/service; \
	else echo "no C compiler: the race detector is left out"; fi

setup: # What the scenarios need beside Go: curl, to paste what the demo prints.
	@command -v curl >/dev/null || { apt-get update -q && apt-get install -qy curl; }

test-integration: build build-failpoints setup ## Run the scenarios against the real binary.
	cd integration && $(BINARIES) go test -timeout 30m ./...

bench: build ## Measure the gateway against its budgets (25 minutes, alone on the machine); SHORT=1 in 5; ONLY=datapath,scale picks parts.
	cd integration && go build -o ../$(BUILD)/bench ./cmd/bench && ../$(BUILD)/bench $(if $(SHORT),-short) $(if $(ONLY),-only $(ONLY)) $(if $(SEED),-seed $(SEED))

bench-go: build ## Run the packages' own benchmarks COUNT times (default 5); compare runs with benchstat.
	go test -tags $(TAGS) -run '^$$' -bench . -benchmem -count $(or $(COUNT),5) ./account ./meter/... ./rating/... ./ledger/...
	cd integration && TALLYGATE_BINARY=$(CURDIR)/$(BUILD)/tallygate go test -run '^$$' -bench . -benchtime 1x -count $(or $(COUNT),5) .

FUZZTIME ?= 300000x
fuzz: ## Fuzz every target for FUZZTIME (default 300000x, that many inputs; or 30s, say) each.
	@set -e; grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' . | sort | while IFS=: read -r file func; do \
		target=$${func#func }; \
		echo "== $$target in $$(dirname $$file)"; \
		(cd $$(dirname $$file) && go test -tags $(TAGS) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x .); \
	done

torture: ## Run the table of faults, rows 1 to 15, in full (hours); resumes. ROUNDS=20 scales it down, ROW=1,3 picks, SEED= replays, FRESH=1 begins anew.
	cd integration && go run ./cmd/torture $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(ROW),-row $(ROW)) $(if $(SEED),-seed $(SEED)) $(if $(FRESH),-fresh)

mutants: ## Break the gateway on purpose, and see which row catches it (20 minutes); MUTANT=name picks.
	cd integration && go run ./cmd/mutants $(if $(MUTANT),-mutant "$(MUTANT)") $(if $(SEED),-seed $(SEED))

clean: ## Remove what was built. The demo's ledger in data/ stays.
	rm -rf $(BUILD)
