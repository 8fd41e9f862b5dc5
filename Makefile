# `make help` lists what there is. CI runs `bash .ci/run`, which uses the same
# pinned tools; they are built into .tmp/ on first use.

SHELL       = /usr/bin/env bash
.SHELLFLAGS = -euo pipefail -c
.DEFAULT_GOAL = help

GO       ?= go
BENCH    ?= .
FUZZTIME ?= 30s
SCENARIOS ?= ../shared/scenarios/public ../shared/scenarios/validation ../shared/scenarios/real

# The generated Go code lies beside the protos and is committed: a user of the
# module needs no protoc, buf or npm.
GENERATORS = buf protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2

# What `headwater --version` and headwater_build_info say. All of it comes from
# the commit, none from the clock or the builder, so that builds are reproducible.
VERSION_PKG = github.com/prometheus/common/version
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH     ?= $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
BUILD_DATE ?= $(shell git show -s --format=%cI HEAD 2>/dev/null || echo unknown)
LDFLAGS     = -s -w \
	-X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Revision=$(REVISION) \
	-X $(VERSION_PKG).Branch=$(BRANCH) -X $(VERSION_PKG).BuildDate=$(BUILD_DATE)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build static binaries of headwater and hwctl into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/headwater ./cmd/hwctl

.PHONY: test
test: ## Run the tests
	$(GO) test ./...

.PHONY: race
race: ## Run the tests under the race detector, without the slow ones
	$(GO) test -race -short ./...

# Acceptance tests are named TestAcceptance… and carry the build tag
# "acceptance": they build a real Alertmanager and Prometheus and start real processes. None
# found is an error, so that a renamed suite does not pass by being empty.
.PHONY: acceptance
acceptance: ## Run the acceptance suite: real binaries, a real Alertmanager and Prometheus
	@packages=$$({ git grep -l --untracked 'func TestAcceptance' -- '*_test.go' || true; } | xargs -r -n 1 dirname | sort -u | sed 's,^,./,'); \
	[[ -n $$packages ]] || { echo "no TestAcceptance in any package" >&2; exit 1; }; \
	$(GO) test -v -count=1 -timeout=30m -tags=acceptance -run='^TestAcceptance' $$packages

.PHONY: probes
probes: ## Measure what 2,000 health checks at 15 s cost a real server, two minutes
	@$(GO) test -v -count=1 -tags=acceptance -run='^TestAcceptanceProbes' ./cmd/headwater/acceptance | grep -v '^=== '

# What an upgrade must be able to open: the storage of the last revision that was landed
# or released, written by its own server. `git log` of the file tells which that was.
REVISION_BEFORE ?= main

.PHONY: upgrade-fixture
upgrade-fixture: ## Have the server of REVISION_BEFORE (main) leave storage for the upgrade test, and run that
	$(GO) test -v -count=1 -run='^TestUpgrade' ./cmd/headwater/acceptance -upgrade.from=$(REVISION_BEFORE)

.PHONY: dashboard-load
dashboard-load: ## Measure the dashboard with 500 open incidents and 50 updates/s, ten minutes
	@HEADWATER_DASHBOARD_SECONDS=$${HEADWATER_DASHBOARD_SECONDS:-600} $(GO) test -v -count=1 -timeout=30m -tags=acceptance -run='^TestAcceptanceDashboardLoad' ./cmd/headwater/acceptance | grep -v '^=== '

.PHONY: screenshots
screenshots: ## Take the pictures of the dashboard in docs/dashboard anew
	@mkdir -p docs/dashboard
	HEADWATER_SCREENSHOTS=$(CURDIR)/docs/dashboard $(GO) test -count=1 -tags=acceptance -run='^TestAcceptanceDashboard(SeveralIncidents)?$$' ./cmd/headwater/acceptance

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$pkg"; \
		done; \
	done

.PHONY: bench
bench: ## Run the benchmarks that match BENCH (all)
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem ./...

.PHONY: lint
lint: ## Check format, Go code and protos
	@bash .ci/tools.sh gofumpt golangci-lint buf
	@bash .ci/lint

.PHONY: fmt
fmt: ## Format Go code as CI wants it
	@bash .ci/tools.sh gofumpt
	@git ls-files -co --exclude-standard '*.go' ':!*.pb.go' ':!*.pb.gw.go' | xargs -r .tmp/bin/gofumpt -w

.PHONY: mail
mail: ## Draw docs/page-mail.png anew: the mail of a page, at a desk and on a phone (needs Chromium)
	bash .ci/mail

.PHONY: generate
generate: ## Regenerate the code and the OpenAPI document from proto/
	@bash .ci/tools.sh $(GENERATORS)
	@bash .ci/generate

.PHONY: check-generate
check-generate: ## Fail when generated code is not what proto/ says
	@bash .ci/tools.sh $(GENERATORS)
	@bash .ci/check-generate

# What it builds is committed: running the server needs no Node.
.PHONY: web
web: ## Build the dashboard in api/web/dist from its sources, with npm
	@bash .ci/web

.PHONY: check-web
check-web: ## Fail when api/web/dist is not what its sources make
	@bash .ci/check-web

.PHONY: alertmanager
alertmanager: ## Build a real Alertmanager into .tmp/bin, for trying things out
	bash .ci/alertmanager .tmp/bin

.PHONY: prometheus
prometheus: ## Build a real Prometheus into .tmp/bin, for trying things out
	bash .ci/prometheus .tmp/bin

.PHONY: client
client: ## Generate the TypeScript client into api/client/dist
	@bash .ci/client generate

.PHONY: client-example
client-example: ## Build the client's example page into .tmp/client/example
	@bash .ci/client example

.PHONY: watching
watching: ## Check and test the Prometheus rules and the Grafana dashboards in deploy/
	@bash .ci/watching

.PHONY: demo
demo: ## Play a real outage into a real server, and show the page it sends
	$(GO) run ./cmd/headwater demo

# Nobody tunes on a folder named validation: its figures may miss the close ones by
# three points, and its cases are not told one by one.
.PHONY: score
score: ## Replay the labelled cascades in the folders SCENARIOS; print the score, the goals, the worst cases
	@for dir in $(SCENARIOS); do \
		printf '\n=== %s\n' "$$dir"; \
		[[ -d $$dir ]] || { echo "absent: nothing to score here"; continue; }; \
		flags=; [[ $$(basename "$$dir") != validation ]] || flags='--goals.slack=0.03 --worst=0'; \
		$(GO) run ./cmd/hwctl replay --goals $$flags "$$dir"; \
	done

# Forty cases that stand for the full suite, and what the engine reaches on them.
SUITE = correlate/replay/testdata/suite

.PHONY: gate
gate: ## Fail when the correlation got worse on the reduced suite
	$(GO) run ./cmd/hwctl replay --gate=$(SUITE)/LANDED $(SUITE)

.PHONY: gate-rewrite
gate-rewrite: ## Write the gate's figures anew, from what is reached now
	$(GO) run ./cmd/hwctl replay --gate=$(SUITE)/LANDED --gate.rewrite $(SUITE)
	@git diff --stat -- $(SUITE)/LANDED

.PHONY: robustness
robustness: ## Score the folders SCENARIOS (without any: the reduced suite) under jitter, missing edges, missing alerts, late deliveries
	@found=; failed=0; \
	for dir in $(SCENARIOS); do \
		[[ -d $$dir ]] || { echo "absent: $$dir"; continue; }; \
		found="$$found $$dir"; \
	done; \
	for dir in $${found:-$(SUITE)}; do \
		printf '\n=== %s\n' "$$dir"; \
		$(GO) run ./cmd/hwctl replay --robustness "$$dir" || failed=1; \
	done; \
	exit $$failed

.PHONY: ci
ci: ## Run all that CI runs
	bash .ci/run

.PHONY: clean
clean: ## Remove binaries, tools and scratch files
	rm -rf bin .tmp
