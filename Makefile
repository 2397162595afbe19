# Two commands do everything on a fresh Debian or Ubuntu with Go: `make demo`
# and `make test`. The rest is for those who work on the code.

SHELL := /bin/bash

.PHONY: help build deb rpm image packages test test-host faults walk demo lint generate generate-check docs deps clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/vrfredist, static, with its version in it
	@scripts/build.sh bin/vrfredist

# Go builds for either on either.
ARCHS ?= amd64 arm64

deb: ## Build the Debian packages into bin (ARCHS="amd64 arm64")
	@for arch in $(ARCHS); do GOARCH=$$arch scripts/deb.sh bin || exit; done

rpm: ## Build the packages for distributions with RPM into bin (ARCHS="amd64 arm64")
	@for arch in $(ARCHS); do GOARCH=$$arch scripts/rpm.sh bin || exit; done

image: ## Build the OCI image into bin, for all of ARCHS, without a container engine
	@ARCHS="$(ARCHS)" scripts/image.sh bin

packages: deb rpm image ## Build all that is published into bin

# These take longest, and wait for sessions most of their time: they begin first, so that
# none of them is left over at the end, and three packages at once are not more than two
# processors bear.
LONGEST := ./rib/speaker/gobgp3 ./integration/netns ./integration/netns/pe ./integration/walk ./integration/service ./integration/operator

test: test-host ## Install what is missing, run every test with the race detector, and sum up
	@$(MAKE) --no-print-directory fuzz FOR=60s
	@$(MAKE) --no-print-directory test-vm-if-needed
	@$(MAKE) --no-print-directory test-booted

.PHONY: test-host
test-host:
	@scripts/install-deps.sh test
	@echo "The fault matrix (integration/faults) breaks things for minutes and has targets of its own: make faults-quick, and make faults."
	go run ./integration/summary -race -pgo=off -count=1 -timeout 20m -p 3 $(LONGEST) $$(go list ./... | grep -vE '/integration/faults(/devices)?$$')

demo: ## Show two tenants with the same prefixes, on one machine and on two, in namespaces of its own
	@scripts/demo.sh

lint: ## Run golangci-lint at its pinned version
	@scripts/lint.sh

generate: ## Make the Go code of api/v1 from its .proto
	@scripts/generate.sh

generate-check: ## Fail where the generated code is not fresh
	@scripts/generate.sh --check

docs: ## Write what of docs/ is made from the program: COMMANDS.md and API.md
	go test ./cmd/vrfredist ./integration/docs -run '^Test(CommandReference|ReferenceOfTheAPI)$$' -update

deps: ## Install what the tests need (as root; no service is started)
	@scripts/install-deps.sh test

# The daemon of these runs has no race detector: it would be most of what is measured,
# and twice the time in the virtual machine. make test runs its code with it. Where nothing is
# measured it is the one of test-vm, without the profile that builds all packages anew.
MATRIX = vm=""; unshare -n ip link add probe type vrf table 10 2>/dev/null || { $(VMRUN) -prepare && $(VM_UML) -prepare && vm="$(VM_UML)"; }; \
	VRFREDIST_FAULT_ROUTES=$(1) VRFREDIST_TEST_DAEMON=$(CURDIR)/.cache/faults/vrfredist \
	go run ./integration/faults/matrix $(2) -vm "$$vm" $${vm:+-srv6 $(VMRUN)}

.PHONY: faults-program faults-quick
faults-program: vmrun
	@scripts/install-deps.sh test
	@mkdir -p .cache/faults
	go build -pgo=$(or $(PGO),auto) -o .cache/faults/vrfredist ./cmd/vrfredist

faults-quick: PGO := off
faults: faults-program ## Run the whole fault matrix at full size, print it, and write it to docs/RELIABILITY.md
	@$(call MATRIX,100000,-o docs/RELIABILITY.md)

faults-quick: faults-program ## Run the whole fault matrix with few routes, and print it
	@$(call MATRIX,3000)

FOR ?= 10m
walk: ## Walk at random on the real kernel (as root; FOR=1h is how long, SEED=7 STEPS=100 walks one seed again, SHRINK=1 looks for the fewest steps that fail)
	@scripts/install-deps.sh test
	go test -count=1 -v -timeout 0 ./integration/walk -run TestWalk $(if $(SEED),-walk.seed $(SEED),-walk.for $(FOR)) $(if $(STEPS),-walk.steps $(STEPS)) $(if $(SHRINK),-walk.shrink)

.PHONY: fuzz
fuzz: ## Look for messages that the guard lets through and GoBGP does not survive (FOR=1h is how long)
	go test ./rib/speaker/gobgp3 -pgo=off -run '^$$' -fuzz '^FuzzGuard$$' -fuzztime $(FOR) -fuzzminimizetime 5s

.PHONY: vm
vm: vmrun ## Run a command in the virtual machine, whose kernel has VRF devices and MPLS (CMD='ip link add red type vrf table 10')
	@$(VMRUN) -prepare
	@$(VMRUN) $(CMD)

clean: ## Remove what was built
	rm -rf bin .cache

include integration/vm/vm.mk
include integration/peers/peers.mk

# GoBGP alone is what the benchmarks compare with: the version that go.mod names,
# from a module of its own with the dependencies that gobgpd asks for.
.PHONY: bench bench-quick bench-tuning bench-programs
bench-programs: build
	@scripts/install-deps.sh test
	cd bench/gobgpd && go build -trimpath -o $(CURDIR)/bin/gobgpd github.com/osrg/gobgp/v3/cmd/gobgpd
	go build -trimpath -o bin/bench ./bench
	TAGS=unguarded scripts/build.sh bin/vrfredist-unguarded

bench: bench-programs ## Measure against BIRD and FRR, the host's and Debian's newest (as root, two hours), and write bench/RESULTS.md
	bin/bench

# Profile-guided optimisation: go build takes cmd/vrfredist/default.pgo by itself.
# The profile is of the daemon while it takes in a table of 200,000 prefixes.
.PHONY: pgo
pgo: bench-programs ## Profile the daemon at work, and keep that for go build (as root, a minute)
	@mkdir -p .cache/bench
	bin/bench -only 'load: vrfredist$$' -runs 1 -scale 0.2 -out .cache/bench -cpuprofile .cache/bench/session.pprof
	cp .cache/bench/session.pprof cmd/vrfredist/default.pgo

bench-tuning: bench-programs ## What each setting gives (as root, some minutes), into bench/tuning
	go build -trimpath -pgo=off -o bin/vrfredist-plain ./cmd/vrfredist
	@mkdir -p bench/tuning
	bin/bench -tuning -scale 0.2 -out bench/tuning

bench-quick: bench-programs ## The same, small and once, in some minutes, into .cache/bench
	bin/bench -scale 0.05 -runs 1 -out .cache/bench
