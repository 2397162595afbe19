package probe

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// labs is shared, so that each namespace has a name of its own.
var labs = &lab.Run{Protocol: 179}

// probed is a namespace with a link, and the index of that.
func probed(t *testing.T) (n, far *lab.Namespace, index int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: it asks the kernel of a namespace of its own")
	}
	l := lab.New(t, labs)
	n, far = l.Namespace("probed"), l.Namespace("far")
	l.Link(n, "eth0", far, "eth0")
	n.Address("eth0", "192.0.2.1/24", "2001:db8::1/64")
	if _, err := fmt.Sscanf(n.IP("-o", "link", "show", "dev", "eth0"), "%d:", &index); err != nil {
		t.Fatal(err)
	}
	return n, far, index
}

func TestProbe(t *testing.T) {
	t.Parallel()
	n, _, index := probed(t)
	s, err := Open(n.Enter)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events, err := Listen(n.Enter, 179)
	if err != nil {
		t.Fatal(err)
	}
	for prefix, via := range map[string]string{"20.0.0.0/16": "192.0.2.2", "2001:db8:1::/48": "2001:db8::2"} {
		p := netip.MustParsePrefix(prefix)
		c := Change{Prefix: p, Via: netip.MustParseAddr(via), Device: index, Protocol: 179}
		there := func(want bool) {
			t.Helper()
			if got, err := s.Has(p); got != want || err != nil {
				t.Errorf("%v is there: %v, %v; want %v", p, got, err, want)
			}
			device := 0
			if want {
				device = index
			}
			if got, err := s.Device(p.Addr().Next()); got != device || err != nil {
				t.Errorf("a packet into %v leaves by device %d, %v; want %d", p, got, err, device)
			}
		}
		there(false)
		if err := s.Route(c); err != nil {
			t.Fatal(err)
		}
		there(true)
		if err := s.Route(c); err == nil {
			t.Errorf("%v was added twice", p)
		}
		c.Replace = true
		if err := s.Route(c); err != nil {
			t.Error(err)
		}
		c.Delete = true
		if err := s.Route(c); err != nil {
			t.Fatal(err)
		}
		there(false)
	}
	n.IP("route", "add", "20.1.0.0/16", "via", "192.0.2.2", "proto", "static") // not counted
	// The kernel queues what it tells before it acknowledges the change. Of an
	// IPv4 route replaced by the same it tells nothing.
	if count, err := events.Close(); count != 5 || err != nil {
		t.Errorf("%d route messages, %v; want 5", count, err)
	}
}

// A link that loses its carrier is told of, and one that is set down leads nowhere.
func TestALinkIsLost(t *testing.T) {
	t.Parallel()
	n, far, index := probed(t)
	s, err := Open(n.Enter)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lost, err := CarrierLost(n.Enter, index, lab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	far.IP("link", "set", "eth0", "down")
	if at, err := lost(); err != nil || at.Before(before) {
		t.Errorf("the carrier was lost at %v, after %v: %v", at, before, err)
	}
	if err := s.Down(index); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Device(netip.MustParseAddr("192.0.2.2")); got != 0 || err != nil {
		t.Errorf("a packet leaves by device %d, which is down: %v", got, err)
	}
	if err := s.Down(1 << 30); err == nil {
		t.Error("an interface that is not there was set down")
	}
}
