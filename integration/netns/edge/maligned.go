package edge

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// Maligned is a PE of which a neighbour says of the SIDs of routes what is wrong in every way.
type Maligned struct {
	PE      *PE
	From    *PE // whose hosts the PE's own reach meanwhile
	Speaker raw.Speaker
	Source  netip.Addr // of the neighbour, an address of the router
	At      netip.Addr // the PE's address to it
	// Route is an UPDATE of a route of red's with this value of its Prefix-SID.
	Route func(p netip.Prefix, sid []byte) []byte
}

// LastOfMaligned is the prefix of the route whose Prefix-SID is as it should be.
var LastOfMaligned = netip.MustParsePrefix("10.99.0.0/24")

// Play has the neighbour send all that, each in a route of its own, those without a SID within 10.98.0.0/16
// and the others within 10.97.0.0/16, and at last one that is as it should be. The daemon has to bear it, with the
// session and everybody else's packets.
func (m Maligned) Play(n *Network) {
	n.T.Helper()
	pid := m.PE.Daemon.PID()
	session := m.dial(n)
	n.T.Cleanup(session.Close)
	pulse := n.Pulse()
	Between(n, pulse, "red", m.PE, m.From, false, true)
	wrong, odd := raw.MalformedSIDs()
	for i, sid := range slices.Concat(wrong, odd) {
		second := byte(98) // of its prefix
		if i >= len(wrong) {
			second = 97
		}
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, byte(i), 0}), 24)
		if err := session.Send(m.Route(prefix, sid)); err != nil {
			n.T.Fatalf("attribute %d, %x: %v; the session ended with %q", i, sid, err, session.Ended())
		}
	}
	// Once the last one is a route, all before it have been read.
	if err := session.Send(m.Route(LastOfMaligned, raw.PrefixSID())); err != nil {
		n.T.Fatal(err)
	}
	lab.WaitFor(n.T, "a route with a SID as it should be is in red", lab.Patience, func() string {
		for _, r := range m.PE.Daemon.RouteStates("export", "--vrf", "red") {
			if r.Prefix == LastOfMaligned.String() {
				return ""
			}
		}
		return fmt.Sprintf("it is not there; the session has ended with %q", session.Ended())
	})
	pulse.EndWhole()
	if !m.PE.Daemon.Running() || m.PE.Daemon.PID() != pid {
		n.T.Error("the daemon has ended")
	}
	if how := session.Ended(); how != "" {
		n.T.Errorf("the session has ended with %q", how)
	}
}

// dial returns the neighbour's session, with every family of a provider's.
func (m Maligned) dial(n *Network) (session *raw.Session) {
	n.T.Helper()
	lab.WaitFor(n.T, "a session", lab.Patience, func() string {
		c, err := raw.Dial(n.P.Enter, m.Source, m.At)
		if err != nil {
			return err.Error()
		}
		if err := c.Establish(m.Speaker.OpenOf(append(raw.Every, raw.FourByteAS(m.Speaker.AS)...))); err != nil {
			return err.Error()
		}
		session = c
		return ""
	})
	return session
}
