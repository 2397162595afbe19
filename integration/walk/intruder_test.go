package walk_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// The hostile neighbour is a customer of a VRF of its own. It says what it must not, in
// all ways that there are, and generated rubbish; what it announces lawfully, with other
// VRFs' route targets on it, is all that comes of it, and comes into its own table alone.

const (
	intruderTarget = 14
	intruderAS     = 65300
	// intruders are its addresses: GoBGP takes no session of a neighbour for five seconds
	// after one that ended badly.
	intruders = 8
)

func intruderAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)}) }

var intruder = raw.Speaker{
	AS: intruderAS, ID: intruderAddr(0), Prefix: "30.1.0.0/24",
	Nexthop: netip.MustParseAddr("10.0.0.4"), Nexthop6: netip.MustParseAddr("2001:db8::4"),
}

var intruderCases = intruder.Cases()

func intruderConfig() (out string) {
	for i := range intruders {
		out += fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n    vrf = \"hostile\"\n  [neighbors.transport.config]\n    passive-mode = true\n", intruderAddr(i), intruderAS)
		for _, f := range []string{"ipv4-unicast", "ipv6-unicast"} {
			out += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", f)
		}
	}
	return out
}

// intruded is the model of its table.
func (s *state) intruded(m *model) {
	for prefix := range s.intruder {
		leg := fmt.Sprintf(" via %s dev eth0", intruder.Nexthop)
		m.groups[leg], m.singles[leg] = true, true
		m.lines = append(m.lines, fmt.Sprintf("%s%s metric %d", prefix, leg, s.policy.metric))
	}
	slices.Sort(m.lines)
}

// announcement is a lawful route, with what would take it into other VRFs, and win there.
func announcement(prefix netip.Prefix) []byte {
	communities := raw.Attr(raw.Transitive, 8, as>>8, as&0xff, 0, 1)
	var targets [][]byte
	for rt := uint32(10); rt < intruderTarget; rt++ {
		targets = append(targets, raw.RouteTarget(as, rt))
	}
	return intruder.Announce(prefix.String(), communities, raw.Communities(targets...), raw.Number(raw.WellKnown, 5, 4_000_000_000))
}

// intrude has the hostile neighbour announce a route, or withdraw one.
func (w *walker) intrude() (step, bool) {
	p := w.prefix()
	if p.Addr().Is6() || p.Bits() == 0 {
		return step{}, false
	}
	verb, m := "announces", announcement(p)
	if w.intruder[p] {
		verb, m = "withdraws", intruder.Withdraw(p.String())
		delete(w.intruder, p)
	} else {
		w.intruder[p] = true
	}
	return step{what: fmt.Sprintf("the hostile neighbour %s %s", verb, p), do: func(w *world) { w.hiss(m) }}, true
}

// misbehave has it send what it must not, or rubbish.
func (w *walker) misbehave() (step, bool) {
	c := intruderCases[w.rng.IntN(len(intruderCases))]
	seed, n := w.rng.Uint64(), 1+w.rng.IntN(300)
	switch {
	case w.chance(40):
		return step{what: fmt.Sprintf("the hostile neighbour sends %d generated messages of seed %d", n, seed), do: func(w *world) { w.rubbish(seed, n) }}, true
	case c.Stage != raw.Established:
		return step{what: "the hostile neighbour connects: " + c.Name, do: func(w *world) { w.knock(c) }}, true
	}
	return step{what: "the hostile neighbour: " + c.Name, do: func(w *world) {
		w.hiss(append(c.Messages, intruder.Withdraw(intruder.Prefix))...)
		if c.Ends != "" && w.intruder != nil {
			if got := w.intruder.WaitEnd(patience); got != c.Ends {
				w.T.Errorf("%s: the session ended with %q, not %q", c.Name, got, c.Ends)
			}
			w.leave()
		}
	}}, true
}

// hiss sends messages on its session, where there is one.
func (w *world) hiss(messages ...[]byte) {
	if w.intruder != nil {
		_ = w.intruder.Send(messages...) // where it has ended, the next one begins with everything
	}
}

func (w *world) leave() {
	if w.intruder != nil {
		w.intruder.Close()
		w.intruder = nil
	}
}

// rubbish sends generated messages until the session ends. What of them was lawful goes
// with the session.
func (w *world) rubbish(seed uint64, n int) {
	if w.intruder == nil {
		return
	}
	g := intruder.Generator(seed)
	for range n {
		if w.intruder.Ended() != "" {
			break
		}
		w.hiss(g.Next())
	}
	w.leave()
}

// knock opens a connection beside its session, for what comes before a session is up.
func (w *world) knock(c raw.Case) {
	w.T.Helper()
	if !w.daemon.Running() {
		return
	}
	s := w.connect()
	defer s.Close()
	if c.Stage == raw.Opened {
		_ = s.Send(intruder.Open())
	}
	_ = s.Send(c.Messages...) // it may end before all of them are written
	if got := s.WaitEnd(patience); got != c.Ends {
		w.T.Errorf("%s: the session ended with %q, not %q", c.Name, got, c.Ends)
	}
}

// connect connects from the next address that GoBGP listens to.
func (w *world) connect() (s *raw.Session) {
	w.T.Helper()
	lab.WaitFor(w.T, "a connection of the hostile neighbour", patience, func() (wrong string) {
		w.calls++
		var err error
		if s, err = raw.Dial(w.up.Enter, intruderAddr(w.calls%intruders), w.addr()); err != nil {
			return err.Error()
		}
		return ""
	})
	return s
}

// visit is a rest's part for the hostile neighbour: its session is up, and says all that
// is lawful.
func (w *world) visit() {
	w.T.Helper()
	if w.intruder != nil {
		if how := w.intruder.Ended(); how != "" {
			w.T.Fatalf("the daemon ended the hostile neighbour's session, which it should bear: %s", how)
		}
		return
	}
	w.intruder = w.connect()
	if err := w.intruder.Establish(intruder.Open()); err != nil {
		w.T.Fatalf("the hostile neighbour: %v", err)
	}
	for prefix := range w.state.intruder {
		w.hiss(announcement(prefix))
	}
	w.hiss(raw.Update(nil, nil, nil), raw.Update(nil, raw.Unreach(2, 1, nil), nil))
	if strings.Contains(w.daemon.Output(), "panic:") {
		w.T.Error("the daemon's log has a panic")
	}
}
