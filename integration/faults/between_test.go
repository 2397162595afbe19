package faults_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// transit is a BIRD that passes on what its customer, an AS behind it, announces.
const transit = `
protocol bgp customer {
  local as 65100;
  neighbor 10.3.0.2 as 65400;
  source address 10.3.0.1;
  strict bind on;
  passive on;
  ipv4 { import all; export none; };
}
`

// An AS two hops away announces routes with attributes that a correct router has to
// pass on, and does. They are well formed to BIRD, which does not know them, and end
// GoBGP v3. The session stays, with everything else that BIRD sends, also after each
// restart, when BIRD sends the routes again.
func TestFault43FromTwoASesAway(t *testing.T) {
	w := newNetwork(t, 1000)
	far := w.Namespace("far")
	w.Subnet(w.up, "eth9", far, "eth0", "10.3.0.1/24")
	w.bird.Reconfigure(strings.Replace(birdConfig, `export where proto = "four"`, `export filter { if proto = "customer" then bgp_next_hop = 10.0.1.2; if proto = "four" || proto = "customer" then accept; reject; }`, 1) + transit)
	speaker := raw.Speaker{AS: 65400, ID: netip.MustParseAddr("10.3.0.2"), Nexthop: netip.MustParseAddr("10.3.0.2")}
	var s *raw.Session
	lab.WaitFor(t, "the session of the AS behind BIRD", limit(), func() string {
		var err error
		if s, err = raw.Dial(far.Enter, netip.MustParseAddr("10.3.0.2"), netip.MustParseAddr("10.3.0.1")); err != nil {
			return err.Error()
		}
		return ""
	})
	defer s.Close()
	if err := s.Establish(speaker.Open()); err != nil {
		t.Fatal(err)
	}
	bad := farAttributes()
	want := model(all(1000), all(routes6))
	for i, attr := range bad {
		prefix := fmt.Sprintf("30.9.%d.0/24", i)
		if err := s.Send(speaker.Announce(prefix, attr)); err != nil {
			t.Fatal(err)
		}
		want = append(want, prefix+" via 10.0.1.2 dev eth1 metric 20")
	}
	lab.WaitFor(t, "BIRD has them", limit(), func() string {
		if n := len(w.bird.Received("customer")); n != len(bad) {
			return fmt.Sprintf("%d of %d: %s", n, len(bad), s.Ended())
		}
		return ""
	})
	// It passes the attribute on, or this proves nothing.
	if out := w.bird.Show("show route all 30.9.0.0/24"); !strings.Contains(out, "BGP.28") && !strings.Contains(out, "BGP.40") {
		t.Fatalf("BIRD lost the attribute: %s", out)
	}
	w.daemon = w.rtr.Daemon(exporting())
	w.waitModel(want)
	const restarts = 3
	for range restarts {
		w.daemon.Kill()
		w.daemon.Start()
		w.waitModel(want)
		if n := strings.Count(w.bird.Show("show protocols"), "Established"); n != 3 {
			t.Errorf("%d sessions of BIRD's 3 are up", n)
		}
	}
	measured(t, "%d routes with a bad attribute through a correct BIRD: the attribute is dropped, the routes and the sessions stay, also after each of %d restarts", len(bad), restarts)
}

// farAttributes are optional transitive ones that BIRD does not look into.
func farAttributes() [][]byte {
	var list [][]byte
	for _, sid := range [][]byte{
		{5, 0, 5, 0, 9, 0, 1, 0}, {5, 0, 5, 0, 1, 0, 2, 0, 0}, {5, 0, 1, 0}, {5, 0, 0}, {5}, {1, 0, 7, 0, 0, 0, 0, 0, 0, 9},
		{6, 0, 34, 0, 1, 0, 30, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x13, 0, 1, 0, 60, 32, 16, 16, 0, 0, 0},
	} {
		list = append(list, raw.Attr(raw.Transitive, 40, sid...))
	}
	return append(list, raw.Attr(raw.Transitive, 23, 0, 15, 0, 200, 1), raw.Attr(raw.Transitive, 23, 0, 13, 0, 1),
		raw.Attr(raw.Transitive, 25, make([]byte, 20)...), raw.Attr(raw.Transitive, 16, 6, 0x30, 0, 0, 0, 0, 0, 1), raw.Attr(raw.Transitive, 128, 0, 0, 0, 1, 1))
}
