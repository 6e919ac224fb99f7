# Every target runs from a fresh clone. CONTRIBUTING.md says more.
GO ?= go
MODULES := . internal/e2e

.PHONY: test lint demo fuzz bench deps

## test: all tests of all modules with the race detector, real OpenSearch included.
## The first line gets the engine, for which the others would wait, and names it.
test: deps
	$(GO) test -count=1 -v -run TestSharedIsOneForAllProcesses ./internal/testengine
	$(GO) test -race -timeout 20m work

## deps: what the tests need beside Go: a JDK and Maven for the engine
deps:
	@sh scripts/install-test-tools.sh

## lint: formatting, vet, staticcheck and the rest of golangci-lint, in all modules
lint:
	cd internal/tools && GOWORK=off $(GO) build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(CURDIR)/bin/golangci-lint run ./...) || exit 1; done

## demo: the demo shop on http://127.0.0.1:8080
demo:
	$(GO) run ./cmd/cloakroom demo

## fuzz: the fuzz targets, half a minute each
fuzz:
	@grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' . | sed 's/:func / /' | while read -r file f; do \
		$(GO) test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$f$$" -fuzztime 30s || exit 1; done
