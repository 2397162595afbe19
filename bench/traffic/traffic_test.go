package traffic

import (
	"net/netip"
	"os"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// What the router sends out is seen to go out, and what the far end gets to come in, each
// once and nothing else; what the router has no route for is neither.
func TestPacketsAreToldApart(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("not root: it makes network namespaces")
	}
	lab.Need(t, "ip")
	l := lab.New(t, &lab.Run{Protocol: 179})
	client, router, sink := l.Namespace("client"), l.Namespace("router"), l.Namespace("sink")
	l.Subnet(router, "eth0", client, "eth0", "192.0.2.1/24")
	l.Subnet(router, "eth1", sink, "eth0", "198.51.100.1/24")
	router.Sysctl("ipv4.ip_forward", "1")
	client.IP("route", "add", "default", "via", "192.0.2.1")
	router.IP("route", "add", "20.0.0.0/16", "via", "198.51.100.2")
	out, err := Listen(router.Enter, "eth1", Out)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Listen(sink.Enter, "eth0", In)
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	// Every other packet is for a prefix without a route.
	f, err := Send(client.Enter, []netip.Addr{netip.MustParseAddr("20.0.0.1"), netip.MustParseAddr("20.1.0.1")}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	lab.WaitFor(t, "packets at the sink", lab.Patience, func() string {
		if !in.Has(n) {
			return "the last is not there"
		}
		return ""
	})
	router.IP("link", "set", "eth1", "down") // which the tap survives
	router.IP("link", "set", "eth1", "up")
	router.IP("route", "replace", "20.0.0.0/16", "via", "198.51.100.2")
	later := f.Sent() + n
	lab.WaitFor(t, "packets when the link is back", lab.Patience, func() string {
		if !in.Has(later) && !in.Has(later+1) {
			return "none of them"
		}
		return ""
	})
	sent, err := f.Stop()
	if err != nil || sent <= later {
		t.Errorf("%d packets were sent: %v", sent, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	for i := range n {
		if want := i%2 == 0; in.Has(i) != want || out.Has(i) != want {
			t.Errorf("packet %d: out %v, in %v; want %v", i, out.Has(i), in.Has(i), want)
		}
	}
	if in.Has(1 << 29) {
		t.Error("a packet that was never sent is there")
	}
}
