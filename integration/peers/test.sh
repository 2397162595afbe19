#!/usr/bin/env bash
# Runs tests with the newest BIRD and FRR as their peers, and all those with FRR as another
# PE, and says at its end which versions ran, or that they cannot be had here and were left
# out.
#
#   integration/peers/test.sh FETCH TESTS-OF-NETNS ROWS-OF-THE-FAULT-MATRIX
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
VRFREDIST_FAULT_ROUTES=1000 go run ./integration/summary -pgo=off -count=1 -timeout 20m -run "$3" ./integration/faults
echo "Peers passed: ${fetched##*$'\n'}"
