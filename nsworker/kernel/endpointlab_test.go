package kernel

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// coreLab makes a namespace that is a core: lo has 10.255.0.1/32 and fd00:255::1/128, and v0
// 192.0.2.1/24 and 2001:db8::1/64, as in lab.
func coreLab(t testing.TB) string {
	t.Helper()
	core := lab(t)
	ip(t, core, "addr add 10.255.0.1/32 dev lo")
	ip(t, core, "addr add fd00:255::1/128 dev lo nodad")
	return core
}

// tenantOf makes a namespace of a tenant with a VXLAN device vx100, made in the core and moved,
// and a veth p0, both up.
func tenantOf(t testing.TB, core string) string {
	t.Helper()
	ns := netns(t)
	ip(t, ns, "link set lo up")
	ip(t, ns, "link add p0 type veth peer name p1")
	for _, v := range []string{"p0", "p1"} {
		ip(t, ns, "link set "+v+" addrgenmode none")
		ip(t, ns, "link set "+v+" up") // as in addVXLAN
	}
	addVXLAN(t, core, ns, 100)
	// As in lab: the kernel says some time after it that a link has carrier.
	for deadline := time.Now().Add(soon); strings.Count(ipLinks(t, ns, "-o link show"), "state UP") < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("the links of %s are not up:\n%s", ns, ipLinks(t, ns, "-o link show"))
		}
	}
	return ns
}

// addVXLAN makes the device vxN in the core, and moves it.
func addVXLAN(t testing.TB, core, ns string, vni int) {
	t.Helper()
	dev := fmt.Sprintf("vx%d", vni)
	ip(t, core, fmt.Sprintf("link add %s type vxlan id %d local 10.255.0.1 dstport 4789 nolearning", dev, vni))
	ip(t, core, fmt.Sprintf("link set %s netns %s", dev, ns))
	ip(t, ns, fmt.Sprintf("link set %s address 02:00:00:00:01:01 mtu 1450 addrgenmode none", dev))
	ip(t, ns, "link set "+dev+" up") // in one message with that, it makes itself an address before
}

func mac(last byte) rib.MAC { return rib.MAC{2, 0, 0, 0, 2, last} }

// endpoint is one of vx100 for the router with that last byte of its MAC address.
func endpoint(tb reading, last byte, vtep string) rib.Endpoint {
	k, _ := tb.Links.ByName("vx100")
	a := netip.MustParseAddr(vtep)
	return rib.Endpoint{Ifindex: k.Index, Gateway: rib.VTEPGateway(a, mac(last)), MAC: mac(last), VTEP: a}
}

func set(to rib.Endpoint) rib.Change { return rib.Change{Op: rib.OpSetEndpoint, Endpoint: to} }

func unset(to rib.Endpoint) rib.Change { return rib.Change{Op: rib.OpDeleteEndpoint, Endpoint: to} }

// ipLinks is ip for a list of links. While namespaces of other tests go, it may say beside that
// the number of one that it asks about leads nowhere.
func ipLinks(t testing.TB, ns, line string) string {
	t.Helper()
	return strings.ReplaceAll(ip(t, ns, line), "Error: Peer netns reference is invalid.\n", "")
}

func bridge(t testing.TB, ns, line string) string {
	t.Helper()
	return run(t, "bridge", append([]string{"-n", ns}, strings.Fields(line)...)...)
}

var linkNetnsid = regexp.MustCompile(` link-netns(id)? \S+`)

// stand is what `ip neigh` and `bridge fdb` say of a device, one entry a line.
func stand(t testing.TB, ns, dev string) (lines []string) {
	t.Helper()
	fdb := bridge(t, ns, "fdb show dev "+dev)
	for _, out := range []string{ip(t, ns, "-6 neigh show dev "+dev), fdb} {
		for line := range strings.Lines(out) {
			line = linkNetnsid.ReplaceAllString(strings.Join(strings.Fields(line), " "), "")
			if !strings.HasPrefix(line, "00:00:00:00:00:00") && !strings.HasPrefix(line, "Error: Peer netns") {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func wantStand(t testing.TB, ns, dev string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := stand(t, ns, dev); !slices.Equal(got, want) {
		t.Fatalf("on %s:\n  %s\nwant:\n  %s", dev, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// lines are those of stand for an endpoint.
func lines(to rib.Endpoint) []string {
	vni := ""
	if to.VNI != 0 {
		vni = fmt.Sprintf(" vni %d", to.VNI)
	}
	return []string{
		fmt.Sprintf("%v lladdr %v PERMANENT proto 179", to.Gateway, to.MAC),
		fmt.Sprintf("%v dst %v%s self permanent", to.MAC, to.VTEP, vni),
	}
}

func wantEndpoints(t testing.TB, c *Conn, want ...rib.Endpoint) {
	t.Helper()
	got := read(t, c).Endpoints
	byGateway := func(a, b rib.Endpoint) int { return a.Gateway.Compare(b.Gateway) }
	slices.SortFunc(got, byGateway)
	slices.SortFunc(want, byGateway)
	if !slices.Equal(got, want) {
		t.Fatalf("endpoints\n  %+v\nwant\n  %+v", got, want)
	}
}
