package relay_test

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

// TestWhoComesThroughADoorway: who dials in from an open prefix is told of, also where nobody else is
// expected, and has its session once it is a neighbour; who comes from elsewhere is not.
func TestWhoComesThroughADoorway(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	calls := make(chan string, 10)
	r := startRelay(t, s.addr, func(r *relay.Relay) {
		r.OnCall(func(netns string, caller netip.Addr) { calls <- netns + " " + caller.String() })
	})
	r.Open([]rib.Doorway{{Netns: c.ours.Name, Local: local4, From: netip.MustParsePrefix("10.0.0.2/32")}})
	lab.WaitFor(t, "it is listened", lab.Patience, func() string {
		conn, err := dial(c.theirs, "10.0.0.2", "10.0.0.1:179", nil)
		if err != nil {
			return err.Error()
		}
		_ = conn.Close()
		return ""
	})
	admitted := c.ours.Name + " 10.0.0.2"
	if got := <-calls; got != admitted {
		t.Errorf("told of %q", got)
	}
	if conn, err := dial(c.theirs, "10.0.0.3", "10.0.0.1:179", nil); err == nil {
		_ = ends(t, conn)
	}
	for len(calls) > 0 { // an attempt that came to nothing may have been one of the first's too
		if got := <-calls; got != admitted {
			t.Errorf("told of %q, which is not in the prefix", got)
		}
	}
	n := c.neighbor("127.1.0.1")
	n.PassiveOnly = true
	r.set(n)
	session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
}
