#!/usr/bin/env bash
# Runs `make test-vm` on each of these kernels, one after the other, and says at its end
# which ran, and which cannot be had here and were left out.
#
#   VMRUN=… integration/vm/kernels.sh 6.12 7
set -uo pipefail

unavailable=69 # as vmrun -prepare ends where no such kernel can be had

ran=() failed=() left_out=()
for kernel in "$@"; do
	prepared=$("$VMRUN" -prepare -kernel "$kernel" 2>&1)
	status=$?
	echo "$prepared"
	if [ "$status" -eq "$unavailable" ]; then
		left_out+=("$kernel: ${prepared##*vmrun: the kernel "$kernel": }")
		continue
	fi
	if [ "$status" -ne 0 ]; then
		failed+=("$kernel: it could not be prepared")
		continue
	fi
	release=$(sed -n 's/.* the kernel \(\S*\) is in .*/\1/p' <<<"$prepared")
	release=${release:-$kernel}
	echo
	echo "-- on the kernel $release"
	start=$SECONDS
	if VM_KERNEL=$kernel "${MAKE:-make}" --no-print-directory test-vm; then
		ran+=("$release ($((SECONDS - start)) s)")
	else
		failed+=("$release: see above")
	fi
done

echo
list() {
	local word=$1 entry
	shift
	for entry in "$@"; do
		echo "Kernel $word $entry"
	done
}
list "passed:  " ${ran[@]+"${ran[@]}"}
list "LEFT OUT:" ${left_out[@]+"${left_out[@]}"}
list "FAILED:  " ${failed[@]+"${failed[@]}"}
[ ${#failed[@]} -eq 0 ]
