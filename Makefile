# Every target runs from a fresh clone. CONTRIBUTING.md says more.
GO ?= go
MODULES := . adapters/gorilla adapters/scs examples/frameworks examples/ownstore internal/test/e2e bench
ROOT := github.com/cloakroom-go/cloakroom

# PLATFORMS are those of make cross: what servers and developers run, one of 32 bits among them.
PLATFORMS := linux/amd64 linux/arm64 linux/386 darwin/arm64 windows/amd64 freebsd/amd64

.PHONY: quick cross test test-million test-explore test-stores test-engines test-matrix test-modules test-operations test-security explore torture lint circles demo pictures fuzz bench deps tidy

# The modules of adapters and examples whose tests need no engine, browser or peer.
USERS := ./adapters/gorilla/... ./adapters/scs/... ./examples/frameworks/... ./examples/ownstore/...

## quick: the tests that need no engine, browser, explorer or peer, on any system: no line here
## may need a shell. The cache is left out because it repeats the root's tests of invariants.
quick: export CLOAKROOM_TEST_ENGINE = none
quick test: QUICK = $(filter-out $(ROOT)/internal/test/explore,$(shell $(GO) list ./...))
quick:
	$(GO) vet $(QUICK) $(USERS) ./internal/test/e2e/history
	$(GO) test -short -skip "^TestInvariantsWithCache$$" $(QUICK) $(USERS) ./internal/test/e2e/history

## test: all tests of all modules with the race detector, those that it slows down most
## without, then the invariants on the other stores, then one engine as a whole.
## The first line gets the engine, for which the others would wait, and names it.
test: deps
	$(GO) test -count=1 -v -run TestSharedIsOneForAllProcesses ./internal/test/testengine
	$(GO) test -race -timeout 30m $(QUICK) $(USERS) ./internal/test/e2e/...
	$(MAKE) -j2 test-explore test-stores
	$(MAKE) test-modules test-engines

## test-explore: the explorer, and the tests of bench. The explorer keeps one processor busy, and
## test-stores waits for engines and disks: make test has both at once.
test-explore:
	$(GO) test -timeout 30m ./internal/test/explore ./bench/...

## test-modules: go get of every module as a user does it, outside of the workspace; the tools' own tests
test-modules:
	cd internal/tools && GOWORK=off $(GO) test -count=1 ./...

## test-stores: the tests of invariants on SQLite and on OpenSearch; `go test .` runs them in memory.
## There the race detector watches them, and both stores in their own tests and in histories.
test-stores:
	$(GO) test -count=1 -timeout 15m -run '^TestI[0-9]' . -store sqlite
	$(GO) test -count=1 -timeout 15m -run '^TestI[0-9]' . -store opensearch

## test-engines: conformance and checked histories on Elasticsearch 8.19; all else is on OpenSearch 2.19
test-engines:
	$(GO) run ./internal/test/e2e/matrix -engines es8 -for 20s

## test-million: the command line on a SQLite file with a million sessions, and the console on it
## and on OpenSearch; it takes some minutes
test-million: deps
	$(GO) test -count=1 -timeout 1h -run '^TestMillion' -v ./cmd/cloakroom -million 1000000

## test-security: nginx, with a cache that is set up carelessly, hands no client another's token
test-security:
	@sh scripts/install-test-tools.sh security
	CLOAKROOM_REQUIRE_NGINX=1 $(GO) test -count=1 -run '^TestSecurity' ./internal/test/e2e

## cross: all packages and their tests compile on all platforms, without C
cross:
	@for p in $(PLATFORMS); do for m in $(MODULES); do echo "cross $$p $$m"; (cd $$m && \
		export CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} && $(GO) build ./... && $(GO) vet ./...) || exit 1; done; done

## test-matrix: the contract of stores on all engines, with security too, and by the official clients;
## writes docs/engines.md
test-matrix:
	@sh scripts/install-test-tools.sh matrix
	$(GO) run ./internal/test/e2e/matrix -beside 2 -o docs/engines.md
	$(GO) test -count=1 -timeout 30m -run '^Test(OpenSearch|Elasticsearch)Client$$' ./internal/test/e2e -clients

## test-operations: what operators do to an engine, while visitors come, and the recipes for them;
## writes the tables of docs/operations.md
test-operations:
	@sh scripts/install-test-tools.sh matrix
	$(GO) test -count=1 -timeout 30m -run '^TestRecipe' ./internal/test/e2e/operations -operations.engines
	$(GO) run ./internal/test/e2e/operations -o docs/operations.md

## explore: all interleavings of the protocol with more faults, and with one rule taken out at a time
explore:
	$(GO) test -count=1 -timeout 1h -v ./internal/test/explore -explore.costly
	$(GO) test -count=1 -timeout 3h -v ./internal/test/explore -explore.full -explore.limit 2000000 -explore.mutants

## torture: an hour and more of faults under checked histories; writes docs/reliability.md
torture: deps
	$(GO) test -race -count=1 -timeout 30m ./internal/test/e2e/torture -each
	$(GO) test -count=1 -timeout 10m -run TestKilled ./internal/transfer -kills 50
	$(GO) run ./internal/test/e2e/torture/cmd/torture -for 70m -o docs/reliability.md

## bench: compares with other libraries and with the engines' limits; writes docs/benchmarks.md
bench: deps
	$(GO) run ./bench $(BENCH)

## deps: what the tests need beside Go: JDKs and Maven for the engines, a browser, peers to compare with
deps:
	@sh scripts/install-test-tools.sh

## lint: formatting, vet, staticcheck and the rest of golangci-lint, in all modules; circles; workflows
lint: circles
	cd internal/tools && GOWORK=off $(GO) build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(CURDIR)/bin/golangci-lint run ./...) || exit 1; done
	cd internal/tools/actionlint && GOWORK=off $(GO) build -o ../../../bin/actionlint github.com/rhysd/actionlint/cmd/actionlint
	bin/actionlint -shellcheck= -pyflakes=

## circles: the root's files stay short, and few of them can only be understood together; in
## the layers below none needs the contract of stores, or the judgement of lost answers, to
## be understood with it
circles:
	cd internal/tools && GOWORK=off $(GO) build -o ../../bin/filecircles ./filecircles
	bin/filecircles -max-circle 6 -max-lines 400 .
	bin/filecircles -max-circle 6 -max-lines 400 -apart store,record,id,resolve ./driver ./internal/protocol

## demo: the demo shop on http://127.0.0.1:8080
demo:
	$(GO) run ./cmd/cloakroom demo

## pictures: the pictures of README and of the documents, in docs/images, taken anew
pictures:
	$(GO) test -count=1 -run '^TestPictures$$' ./internal/test/e2e -pictures

## fuzz: the fuzz targets, half a minute each
fuzz:
	@grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' . | sed 's/:func / /' | while read -r file f; do \
		$(GO) test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$f$$" -fuzztime 30s || exit 1; done

## tidy: go mod tidy in all modules, and the workspace's sums. The root isn't yet released
## in the version that the others require, so the tree replaces it meanwhile.
tidy:
	$(GO) mod tidy
	@for m in $(filter-out .,$(MODULES)); do (cd $$m && $(GO) mod edit -replace $(ROOT)=$(CURDIR) && \
		$(GO) mod tidy && $(GO) mod edit -dropreplace $(ROOT)) || exit 1; done
	cd internal/tools && GOWORK=off $(GO) mod tidy
	cd internal/tools/actionlint && GOWORK=off $(GO) mod tidy
	$(GO) mod download && $(GO) list -m all >/dev/null
