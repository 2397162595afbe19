#!/usr/bin/env bash
# Shows two tenants with the same prefixes, an import, an export that a community
# filters, a link that goes down, and the tenants of two machines that reach each
# other through a core. It ends by itself in less than 30 seconds.
#
# It runs in network, mount and process-id namespaces of its own, with a /run of
# its own, so nothing can be left behind, however it ends. Without root it is a
# user namespace too. VRFREDIST names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
	PATH=$PATH:/usr/sbin:/sbin
	scripts/install-deps.sh demo
	if [ -z "${VRFREDIST:-}" ]; then
		QUICK=1 scripts/build.sh bin/vrfredist-demo
	fi
	spaces=(--net --mount --pid --fork --kill-child --mount-proc)
	if [ "$(id -u)" -ne 0 ]; then
		spaces+=(--user --map-root-user)
		if ! unshare "${spaces[@]}" true 2>/dev/null; then
			echo "This kernel gives a plain user no namespaces; run it as root: sudo make demo" >&2
			exit 1
		fi
	fi
	# A child in the background does not see ctrl-C; killing it takes everything
	# in its process-id namespace along.
	unshare "${spaces[@]}" "$0" inside </dev/null &
	inside=$!
	trap 'kill -KILL $inside 2>/dev/null || true; wait $inside 2>/dev/null || true; echo; echo "Stopped; everything is cleaned up."; exit 130' INT TERM
	wait "$inside"
	exit 0
fi

# From here on this is process 1 of the demo's own world.
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/tmp # where bgpd keeps what it knows of a crash
program=${VRFREDIST:-bin/vrfredist-demo}
bold='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' plain=$'\e[0m'
fi
started=$SECONDS

step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
# run shows a command, then what it prints.
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@"
}
# until_prints waits until the command prints (or, with "not", does not print)
# the words.
until_prints() {
	local no=false words printed
	if [ "$1" = not ]; then
		no=true
		shift
	fi
	words=$1
	shift
	local tries=200
	while true; do
		# Into a variable: grep -q would end the pipe early, and pipefail call
		# that a failure.
		printed=$("$@" 2>/dev/null) || true
		case $printed in
		*"$words"*) $no || return 0 ;;
		*) if $no; then return 0; fi ;;
		esac
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ]; then
			echo "The demo waited in vain for \"$words\" from: $*" >&2
			cat /run/demo/*.log >&2
			vrfredist vrf >&2 || true
			vrfredist route export --vrf red >&2 || true
			upstream show bgp ipv4 vpn >&2 || true
			exit 1
		fi
		sleep 0.1
	done
}
upstream() { vtysh --vty_socket /run/demo -c "$*" 2>/dev/null; }
# What the upstream router received: route distinguisher, prefix, MED.
received() {
	upstream "show bgp $1 vpn" | awk '
		/^Route Distinguisher/ { rd = $3 }
		/ 65000 \?/ { printf "  RD %-10s %s\n", rd, $0 }'
}
show_received() {
	printf '%s$ vtysh -c "show bgp %s vpn"%s   (what came from AS 65000)\n' "$bold" "$1" "$plain"
	received "$1"
}
vrfredist() { "$program" "$@"; } # so that run shows it by its name

step "The network: a router, an upstream router, and two tenants with the same addresses"
cat <<'PICTURE'
        upstream (FRR, AS 65100)
            | 10.0.0.0/24
        this router (vrfredist, AS 65000)
        red: lan0 192.168.1.1/24      blue: lan0 192.168.1.1/24
             lan1 192.168.2.1/24            lan1 192.168.2.1/24
PICTURE
mkdir -p /run/demo /run/netns
for ns in upstream red blue red-lan blue-lan; do
	ip netns add $ns
	ip -n $ns link set lo up
done
ip link set lo up
ip link add up0 type veth peer name eth0 netns upstream
ip addr add 10.0.0.1/24 dev up0
ip link set up0 up
ip -n upstream addr add 10.0.0.2/24 dev eth0
ip -n upstream link set eth0 up
for tenant in red blue; do
	for i in 1 2; do
		dev=lan$((i - 1))
		ip link add $dev netns $tenant type veth peer name $dev netns $tenant-lan
		ip -n $tenant addr add 192.168.$i.1/24 dev $dev
		ip -n $tenant addr add 2001:db8:$i::1/64 dev $dev nodad
		ip -n $tenant link set $dev up
		ip -n $tenant-lan link set $dev up
	done
done
ip netns exec upstream /usr/lib/frr/bgpd -n -Z -S -P 0 -f examples/demo/upstream.conf \
	--vty_socket /run/demo -i /run/demo/bgpd.pid --log stdout >/run/demo/bgpd.log 2>&1 &

step "The tenants' routes before"
run ip -n red route
run ip -n blue route

step "vrfredist starts, with the configuration examples/demo/vrfredist.toml"
printf '%s$ vrfredist run -f examples/demo/vrfredist.toml &%s\n' "$bold" "$plain"
"$program" run -f examples/demo/vrfredist.toml --state-dir /run/demo/state >/run/demo/vrfredist.log 2>&1 &
daemon=$!
until_prints 172.16.0.0 ip -n red route
until_prints 172.16.0.0 ip -n blue route
until_prints 65000:20 received ipv4
until_prints 65000:20 received ipv6
run vrfredist vrf

step "Import: the upstream router has both tenants' prefixes, each under its own RD"
show_received ipv4
show_received ipv6

step "Export: the tenants' routes after, by route target; each nexthop is one object (nhid)"
run ip -n red route
run ip -n red -6 route show proto 179
run ip -n red nexthop
run ip -n blue route

step "Blue exports only what carries community 65001:100, so 172.20.0.0/16 stays out"
run vrfredist route export --vrf blue

step "A link of red goes down: its routes leave BGP, and what needed it leaves the kernel"
run ip -n red link set lan0 down
until_prints not "65000:10   *> 192.168.1.0" received ipv4
until_prints not 172.16.0.0 ip -n red route
show_received ipv4
run ip -n red route
run vrfredist route export --vrf red

step "The link comes back, and with it the routes"
run ip -n red link set lan0 up
until_prints 172.16.0.0 ip -n red route
until_prints "65000:10   *> 192.168.1.0" received ipv4
run ip -n red route

step "vrfredist ends; routes stay for its next start to adopt (on_exit = \"keep\")"
kill "$daemon"
wait "$daemon"
run ip -n blue route show proto 179

step "Two machines: red and blue are on another one too, beyond a core that knows nothing of them"
cat <<'PICTURE'
        red, blue: 192.168.1.1 -- 10.255.0.1 (this router) == core == 10.255.0.2 (east) -- 192.168.3.1: red, blue
PICTURE
for ns in east east-red east-blue; do
	ip netns add $ns
	ip -n $ns link set lo up
done
ip link add core0 type veth peer name core0 netns east
ip addr add 192.0.2.1/24 dev core0
ip -n east addr add 192.0.2.2/24 dev core0
ip addr add 10.255.0.1/32 dev lo
ip -n east addr add 10.255.0.2/32 dev lo
ip link set core0 up
ip -n east link set core0 up
ip route add 10.255.0.2/32 via 192.0.2.2
ip -n east route add 10.255.0.1/32 via 192.0.2.1
for tenant in red blue; do
	ip -n east-$tenant link add lan0 type veth peer name lan1
	ip -n east-$tenant addr add 192.168.3.1/24 dev lan0
	ip -n east-$tenant addr add 2001:db8:3::1/64 dev lan0 nodad
	ip -n east-$tenant link set lan0 up
	ip -n east-$tenant link set lan1 up
done
sed -e 's/10\.255\.0\.1/SELF/; s/10\.255\.0\.2/10.255.0.1/; s/SELF/10.255.0.2/' \
	-e 's/netns = "/netns = "east-/' examples/demo/west.toml >/run/demo/east.toml
printf '%s$ vrfredist run -f examples/demo/west.toml &   (and on east the same, with its own addresses)%s\n' "$bold" "$plain"
"$program" run -f examples/demo/west.toml --state-dir /run/demo/west >/run/demo/west.log 2>&1 &
west=$!
ip netns exec east "$program" run -f /run/demo/east.toml --state-dir /run/demo/east \
	--api-listen unix:///run/demo/east.sock >/run/demo/east.log 2>&1 &
east=$!
for tenant in red blue; do
	until_prints "1 received" ip netns exec $tenant ping -c 1 -W 1 -I 192.168.1.1 192.168.3.1
	until_prints "1 received" ip netns exec $tenant ping -c 1 -W 1 -I 2001:db8:2::1 2001:db8:3::1
done
run vrfredist route export --vrf red --state installed
run vrfredist route export --vrf blue --state installed
run ip netns exec red ping -c 1 -I 192.168.1.1 192.168.3.1
run ip netns exec blue ping -c 1 -I 2001:db8:2::1 2001:db8:3::1
kill "$west" "$east"
wait "$west" "$east"

step "Done in $((SECONDS - started)) s; all namespaces go with this demo"
