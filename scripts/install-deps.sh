#!/usr/bin/env bash
# Installs, from Debian's or Ubuntu's packages, what the tests and the demo need
# and this host lacks. Without root it says what to run instead.
#
#   scripts/install-deps.sh [test|demo|ci]
#
# Packages of routing daemons start their services when they are installed, and
# at every boot. Tests run these programs in namespaces of their own; the host's
# network must not notice. So a policy-rc.d refuses every start meanwhile, and
# the services of packages that this script installed are disabled afterwards.
set -euo pipefail

# What is needed, as the program that shows that it is there, and its package.
demo=(ip:iproute2 unshare:util-linux /usr/lib/frr/bgpd:frr vtysh:frr)
tests=("${demo[@]}" setpriv:util-linux sysctl:procps systemd-analyze:systemd dpkg-deb:dpkg groff:groff-base strace:strace bird:bird2 ping:iputils-ping gobgp:gobgpd protoc:protobuf-compiler cpio:cpio gcc:gcc /usr/include/stdio.h:libc6-dev
	/usr/bin/chromium:chromium node:nodejs npm:npm promtool:prometheus python3:python3 podman:podman crun:crun rpm:rpm)
ci=("${tests[@]}" make:make git:git lintian:lintian)

case "${1:-test}" in
demo) needed=("${demo[@]}") ;;
test) needed=("${tests[@]}") ;;
ci) needed=("${ci[@]}") ;;
*)
	echo "usage: $0 [test|demo|ci]" >&2
	exit 2
	;;
esac

# The test of the status page drives Chromium by a module of Node's, as its
# lockfile has it. Without it that test says so, and the others run.
modules() {
	local here
	here=$(dirname "$0")/../integration/page
	if [ "${1:-test}" = demo ] || [ "$here/node_modules/.package-lock.json" -nt "$here/package-lock.json" ]; then
		return
	fi
	echo "Installing the module that drives Chromium."
	(cd "$here" && npm ci --ignore-scripts --no-audit --no-fund) </dev/null ||
		echo "It could not be installed: the test of the status page will be left out." >&2
}

missing=()
for entry in "${needed[@]}"; do
	program=${entry%:*} package=${entry##*:}
	case $program in
	/*) [ -e "$program" ] && continue ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null && continue ;;
	esac
	case " ${missing[*]-} " in
	*" $package "*) ;;
	*) missing+=("$package") ;;
	esac
done

if [ ${#missing[@]} -eq 0 ]; then
	modules "$@"
	echo "Everything that is needed is installed."
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "These Debian packages are missing, and there is no apt-get here: ${missing[*]}" >&2
	echo "Install what corresponds to them, and try again." >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "These packages are missing: ${missing[*]}" >&2
	echo "Install them as root, and try again:" >&2
	echo "  sudo $0 ${1:-test}" >&2
	exit 1
fi

guard=/usr/sbin/policy-rc.d
saved=
cleanup() {
	rm -f "$guard"
	if [ -n "$saved" ]; then
		mv "$saved" "$guard"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ -e "$guard" ]; then
	saved=$(mktemp "$guard.XXXXXX")
	mv "$guard" "$saved"
fi
printf '#!/bin/sh\nexit 101\n' >"$guard"
chmod 755 "$guard"

echo "Installing ${missing[*]}, without starting any service."
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null

for package in "${missing[@]}"; do
	case $package in
	bird2) service=bird ;;
	frr | gobgpd | prometheus) service=$package ;;
	podman) service=podman.socket ;;
	*) continue ;;
	esac
	if command -v systemctl >/dev/null; then
		echo "Disabling $service, which its package would start at the next boot."
		systemctl disable "$service" >/dev/null 2>&1 ||
			echo "It could not be disabled; look at: systemctl status $service" >&2
	fi
done

modules "$@"
