# make run    a whole subnet on this machine (installs what it needs)
# make test   all tests                      (installs what it needs)
# make help   the rest

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -X main.version=$(VERSION)
FUZZTIME  ?= 5s
ARGS      ?=
PACKAGES  ?= ./...

.PHONY: help run test deps testdeps build lint race fuzz e2e e2e-web interop notebooks bench bench-train clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: deps ## start a development chain, three miners and a validator (ARGS="--help" for more)
	@$(GO) build -ldflags '$(LDFLAGS)' -o dist/bitmind-dev ./cmd/bitmind
	@exec dist/bitmind-dev localnet $(ARGS)

test: testdeps ## run all tests
	$(GO) test -timeout 15m $(PACKAGES)

deps: ## install the ONNX Runtime library into the cache folder, and the C2PA library (16 MB) if it can be had
	@scripts/onnxruntime.sh
	@scripts/c2pa.sh --optional

testdeps: deps ## install what the tests need besides
	@scripts/postgres.sh

build: deps ## build dist/bitmind, one file with ONNX Runtime, the detector and sample images inside
	@scripts/onnxruntime.sh --stage ml/ort/embedded
	CGO_ENABLED=1 $(GO) build -trimpath -tags embed_ort -ldflags '-s -w $(LDFLAGS)' -o dist/bitmind ./cmd/bitmind
	@ls -lh dist/bitmind | awk '{print $$9, $$5}'

lint: ## formatting, go vet, staticcheck, tidy module file
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'error: files need formatting; try: gofmt -w .' >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

race: testdeps ## run the tests under the race detector
	$(GO) test -race -short -timeout 20m $(PACKAGES)

fuzz: deps ## fuzz every decoder for FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

e2e: deps ## run the program end to end: chain, miners, validator, weights, incentives
	$(GO) test -count=1 -timeout 15m -run 'EndToEnd' -v ./cmd/bitmind

e2e-web: deps ## test the page and the dashboard in Chromium (ARGS="-run TestPhone")
	@scripts/e2e-web.sh $(ARGS) || { [ $$? -eq 3 ] && [ -z '$(REQUIRE_BROWSER)' ]; } # 3: cannot be installed here, which it says

interop: deps ## run the Python SDK and btcli, unchanged, against the chain and the neurons
	@interop/run.sh

notebooks: deps ## execute the notebooks in a Jupyter kernel (about a minute)
	@notebooks/run.sh || [ $$? -eq 3 ] # 3: cannot be installed here, which it says

bench: deps ## run the benchmarks, with the Python peers where they can be installed
	@bench/run.sh

bench-train: deps ## images per second of training, with PyTorch in turns
	@bench/train.sh $(ARGS)

clean: ## remove what the build made
	rm -rf dist
