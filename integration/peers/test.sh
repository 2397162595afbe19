#!/usr/bin/env bash
# Runs tests with the newest BIRD and FRR as their peers, and all those with FRR as another
# PE, and says at its end which versions ran, or that they cannot be had here and were left
# out. Those with another PE whose tenants are VRF devices run in a virtual machine, by VMRUN
# and with the program VM_DAEMON, where the kernel here has no such devices or no MPLS.
#
#   VMRUN=… VM_DAEMON=… integration/peers/test.sh FETCH TESTS-OF-NETNS ROWS-OF-THE-FAULT-MATRIX TESTS-OF-PES
set -euo pipefail

unavailable=69 # as FETCH ends where they cannot be had

status=0
fetched=$("$1" 2>&1) || status=$?
echo "$fetched"
if [ "$status" -eq "$unavailable" ]; then
	echo "Peers LEFT OUT: BIRD 3 and FRR 10: ${fetched##*peers: }"
	exit 0
fi
[ "$status" -eq 0 ] || exit "$status"

export VRFREDIST_TEST_PEERS=newest
go run ./integration/summary -pgo=off -count=1 -timeout 20m -run "$2" ./integration/netns
go run ./integration/summary -pgo=off -count=1 -timeout 20m ./integration/netns/frrpe
if unshare -n sh -c 'ip link add probe type vrf table 10 && ip link set lo up && ip route add 198.51.100.0/24 encap mpls 16 dev lo' 2>/dev/null; then
	machine=()
else
	"$VMRUN" -machine uml -prepare
	go build -pgo=off -o "$VM_DAEMON" ./cmd/vrfredist
	export VRFREDIST_TEST_DAEMON=$VM_DAEMON
	machine=(-exec "$VMRUN -machine uml")
fi
go run ./integration/summary -pgo=off -count=1 -p 1 -parallel 2 -timeout 17m "${machine[@]}" -run "$4" ./integration/netns/l3vpn ./integration/netns/frrpe
unset VRFREDIST_TEST_DAEMON
VRFREDIST_FAULT_ROUTES=1000 go run ./integration/summary -pgo=off -count=1 -timeout 20m -run "$3" ./integration/faults
echo "Peers passed: ${fetched##*$'\n'}"
