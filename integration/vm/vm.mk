# Tests on a kernel that has VRF devices, where the running one has none.
#
#   include integration/vm/vm.mk

VMRUN := $(CURDIR)/.cache/vm/vmrun
VM_UML := $(VMRUN) -machine uml
VM_DAEMON := $(CURDIR)/.cache/vm/vrfredist
VM_DEB := $(CURDIR)/.cache/vm/deb
# The packages whose tests import need; each is run in a machine of its own. Of
# those outside integration only the tests that need VRF devices are.
VM_PACKAGES ?= $(shell go list -test -f '{{if .ForTest}}{{.ForTest}} {{join .Imports " "}}{{end}}' ./integration/... | awk '{ p = $$1; $$1 = "" } /integration\/vm\/need/ { print p }' | grep -vE '/integration/(faults/|service/booted$$)' | sort -u)

# What a kernel of another version may do otherwise, besides: the tests whose routes, objects,
# devices and entries for VTEPs go through it, and the rows of the fault matrix about nexthops and
# their links.
KERNEL_TESTS := VRF|Device|Endpoint|Entry|Entries|Enslaved|Fuzz|RoundTrip|EveryShape|ReplaceTransitions|NeverTouches|FailsAlone|SilentDeletions|GoneWithTheirLink|DeadHops|Encapsulations|Label
# Those of SIDs and what belongs to them run on the kernel of test-vm alone, as the package does that
# has packets go by labels and SIDs.
CORE_TESTS := SID|Entrance|Rule|Unreachable|CoreFeatures
CORE_PACKAGES := %/integration/netns/l3vpn
NEXTHOP_ROWS := 16|17|18|19|20|21|22|53
# What runs tests on such a kernel. User-mode Linux takes a fraction of QEMU's time, and has no
# SRv6: a test that skips for want of it (need.SRv6) runs once more, in QEMU, and where it skips
# there too it has failed. The machine of user-mode Linux has one processor, so there are as many
# of them at once as there are processors. Where the host has no user-mode Linux, QEMU runs all of
# it, one machine at a time, for its own two processors are emulated by those of the host. What
# the summary says last begins with the kernels that ran.
IN_VM = go run ./integration/summary -again 'no SRv6' '$(VMRUN)' -exec '$(VM_UML)' -count=1 \
	-p $$([ -e .cache/vm/uml-$(or $(VM_KERNEL),6.1).refused ] && echo 1 || nproc) -parallel 2
# The kernels beside the one of test-vm, by how their versions begin: those of Debian's
# stable and unstable suites.
VM_KERNELS ?= 6.12 7

.PHONY: vmrun test-vm test-vm-if-needed test-kernels test-booted

# Static, because it is the machine's first process too.
vmrun:
	@mkdir -p $(dir $(VMRUN))
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(VMRUN) ./integration/vm

# Without the race detector, which takes twice as long on an emulated processor, and does not
# start in user-mode Linux: `make test` runs the same code with it, on the host.
test-vm: vmrun ## Run the tests that need VRF devices on Debian's kernel (VM_KERNEL=6.12: on that one), in a virtual machine
	$(VMRUN) -prepare
	$(VM_UML) -prepare
	go build -pgo=off -o $(VM_DAEMON) ./cmd/vrfredist
	$(IN_VM) -timeout 20m -run '$(KERNEL_TESTS)$(if $(VM_KERNEL),,|$(CORE_TESTS))' -- ./nsworker/kernel ./nsworker/relay
	VRFREDIST_TEST_DAEMON=$(VM_DAEMON) $(IN_VM) -timeout 20m -- $(if $(VM_KERNEL),$(filter-out $(CORE_PACKAGES),$(VM_PACKAGES)),$(VM_PACKAGES))
	VRFREDIST_FAULT_ROUTES=1000 VRFREDIST_TEST_DAEMON=$(VM_DAEMON) $(IN_VM) -timeout 20m -run '^TestFault($(NEXTHOP_ROWS))' -- ./integration/faults

test-kernels: vmrun ## Run test-vm on the newer kernels that Debian has (VM_KERNELS="6.12 7"), and say which could not be had
	@VMRUN=$(VMRUN) integration/vm/kernels.sh $(VM_KERNELS)

# Where the running kernel has VRF devices, `make test` ran these tests.
test-vm-if-needed:
	@if unshare -n ip link add probe type vrf table 10 2>/dev/null; then \
		echo "This kernel has VRF devices: the tests that need them ran on it."; \
	else \
		$(MAKE) --no-print-directory test-vm; \
	fi

# Always in the virtual machine: this installs a package and starts its service.
test-booted: vmrun ## Install the Debian package and run its service under a booted systemd, in a virtual machine
	$(VM_UML) -prepare
	rm -rf $(VM_DEB)
	PGO=off VRFREDIST_DEB_COMPRESSION=none scripts/deb.sh $(VM_DEB)
	VRFREDIST_TEST_DEB=$$(echo $(VM_DEB)/*.deb) go run ./integration/summary -count=1 -timeout 15m -exec "$(VM_UML) -systemd" ./integration/service/booted
