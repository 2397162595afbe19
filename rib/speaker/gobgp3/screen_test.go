package gobgp3

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// withholding has the speaker told, as the daemon does, what neighbours are told.
func (r *running) withholding(t *testing.T, of map[string]rib.Advertising) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Withhold(ctx, of); err != nil {
		t.Fatal(err)
	}
}

// screened are the VRFs whose workers pass on what others have.
func screened(vrfs ...string) map[string]rib.Advertising {
	of := make(map[string]rib.Advertising)
	for _, name := range vrfs {
		of[name] = rib.Advertising{PassesOn: true}
	}
	return of
}

// screening is a router with the VRF red, which is screened, with two customers, and blue, with
// one; both import what a PE sends.
type screening struct {
	*running
	t                         *testing.T
	text                      []byte
	pe, customer, site, other *peer
}

func newScreening(t *testing.T) *screening {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	x := &screening{
		t: t, pe: newPeer(t, "127.0.0.2", 65000, allFamilies...), customer: newPeer(t, "127.0.0.4", 65003, families...),
		site: newPeer(t, "127.0.0.5", 65000, families...), other: newPeer(t, "127.0.0.6", 65006, families...),
	}
	x.text = toJSON(t, baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:9"}, []string{"65000:2"}),
		vrfConf("red", "65000:1", []string{"65000:1", "65000:9"}, []string{"65000:1"}),
	}, []any{
		neighborConf(x.pe.addr, 65000, x.pe.port, allFamilies...),
		inVRF(neighborConf(x.customer.addr, 65003, x.customer.port, families...), "red"),
		inVRF(neighborConf(x.site.addr, 65000, x.site.port, families...), "red"),
		inVRF(neighborConf(x.other.addr, 65006, x.other.port, families...), "blue"),
	}))
	x.running = runWith(t, Options{Config: x.text, Extras: rib.Extras{Screened: []string{"red"}}}, func(s *Speaker) {
		if err := s.Withhold(context.Background(), screened("red")); err != nil {
			t.Fatal(err)
		}
	})
	return x
}

// hears waits until a neighbour hears a prefix, or does not.
func (x *screening) hears(when string, p *peer, pfx string, is bool) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("%s: %s hears %s: %v", when, p.addr, pfx, is), func() bool { return len(p.has(pfx, 0)) == 1 == is })
}

// still sees to it that a neighbour hears a prefix.
func (x *screening) still(when string, p *peer, pfx string) {
	x.t.Helper()
	if len(p.has(pfx, 0)) != 1 {
		x.t.Errorf("%s: %s does not hear %s any more", when, p.addr, pfx)
	}
}

// TestScreenedVRF: the neighbours of a VRF whose policy judges what others have are told of it what
// the worker passes on, and nothing before; of each other, and what the VRF announces, they hear as
// ever, and other VRFs and PEs too.
func TestScreenedVRF(t *testing.T) {
	x := newScreening(t)
	for i := range 2 {
		theirs, customers, own := []string{"10.1.0.0/16", "2001:db8:1::/48"}[i], []string{"10.2.0.0/16", "2001:db8:2::/48"}[i], []string{"10.9.0.0/16", "2001:db8:9::/48"}[i]
		x.pe.announce(spec{prefix: theirs, rd: 7, rts: []uint32{9}})
		x.await(t, "red", theirs, count(1))
		x.hears("of a VRF without a policy", x.other, theirs, true)
		x.customer.announce(spec{prefix: customers})
		x.announce(t, "red", change(own, 1))
		x.hears("of another customer", x.site, customers, true)
		for _, p := range []*peer{x.customer, x.site} {
			x.hears("of the VRF's own", p, own, true)
			if n := len(p.has(theirs, 0)); n > 0 {
				t.Errorf("%s hears %s, which nobody passed on", p.addr, theirs)
			}
		}
		x.announce(t, "red", passed(theirs, 65010, 65011))
		x.hears("it was passed on", x.customer, theirs, true)
		x.hears("it was passed on", x.site, theirs, true)
		if got := asPath(t, x.customer, theirs, 0); len(got) != 3 || got[2] != 65011 {
			t.Errorf("with AS path %v", got)
		}
		eventually(t, "the PE hears the customer's and the VRF's own", func() bool { return len(x.pe.has(customers, 1)) == 1 && len(x.pe.has(own, 1)) == 1 })
		// The customer's has a site of origin beside the target; nothing has a mark of ours.
		if of, its := x.pe.has(customers, 1)[0].rts, x.pe.has(own, 1)[0].rts; of != 2 || its != 1 {
			t.Errorf("the PE hears %d extended communities of the customer's, and %d of the VRF's own", of, its)
		}
		if n := len(x.pe.has(theirs, 1)); n > 0 {
			t.Error("the PE hears what is passed on to the VRF's neighbours")
		}
		gone := passed(theirs, 65010, 65011)
		gone.Withdraw = true
		x.announce(t, "red", gone)
		x.hears("it is passed on no more", x.customer, theirs, false)
	}
	if got := x.Drift(); len(got) > 0 {
		t.Errorf("BGP is taken for changed by others: %v", got)
	}
}

// TestScreenedAgain: where the policy goes neighbours hear all, where it comes back what is passed on
// stays; and what leaves the VRF takes nothing from them that is passed on.
func TestScreenedAgain(t *testing.T) {
	x := newScreening(t)
	for i := range 2 {
		theirs, more, customers := []string{"10.1.0.0/16", "2001:db8:1::/48"}[i], []string{"10.3.0.0/16", "2001:db8:3::/48"}[i], []string{"10.2.0.0/16", "2001:db8:2::/48"}[i]
		for _, pfx := range []string{theirs, more} {
			x.pe.announce(spec{prefix: pfx, rd: 7, rts: []uint32{9}})
			x.await(t, "red", pfx, count(1))
		}
		x.customer.announce(spec{prefix: customers})
		x.hears("of another customer", x.site, customers, true)
		x.withholding(t, nil)
		x.hears("the policy went", x.customer, theirs, true)
		x.hears("the policy went", x.customer, more, true)
		x.announce(t, "red", passed(theirs, 65010, 65011))
		eventually(t, "it is passed on", func() bool { return len(x.customer.has(theirs, 0)) == 1 && len(asPath(t, x.customer, theirs, 0)) == 3 })
		x.withholding(t, screened("red"))
		x.hears("the policy is back", x.customer, more, false)
		x.still("the policy is back", x.site, customers)
		x.still("the policy is back", x.customer, theirs)
		x.pe.withdraw(spec{prefix: more, rd: 7, rts: []uint32{9}})
		x.pe.announce(spec{prefix: theirs, rd: 7, rts: []uint32{8}}) // into no VRF any more
		x.await(t, "red", more, count(0))
		x.await(t, "red", theirs, count(0))
		x.customer.withdraw(spec{prefix: customers})
		x.hears("the customer withdrew", x.site, customers, false)
		x.still("what came in left the VRF", x.customer, theirs)
	}
}

// TestScreenedByReload: a VRF that a reload makes, or makes anew, is screened before it has
// neighbours, and one that goes leaves nothing behind.
func TestScreenedByReload(t *testing.T) {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	pe := newPeer(t, "127.0.0.2", 65000, allFamilies...)
	customer := newPeer(t, "127.0.0.4", 65003, families...)
	text := func(rd string, has bool) []byte {
		neighbours := []any{neighborConf(pe.addr, 65000, pe.port, allFamilies...)}
		var vrfs []any
		if has {
			vrfs = append(vrfs, vrfConf("red", rd, []string{"65000:1", "65000:9"}, []string{"65000:1"}))
			neighbours = append(neighbours, inVRF(neighborConf(customer.addr, 65003, customer.port, families...), "red"))
		}
		return toJSON(t, baseConf(vrfs, neighbours))
	}
	extras := rib.Extras{Screened: []string{"red"}}
	s := run(t, Options{Config: text("", false)})
	pe.announce(spec{prefix: "10.1.0.0/16", rd: 7, rts: []uint32{9}})
	for n, rd := range []string{"65000:1", "65000:2", "65000:1"} {
		s.withholding(t, screened("red"))
		if _, err := s.Reload(t.Context(), text(rd, true), extras); err != nil {
			t.Fatal(err)
		}
		s.await(t, "red", "10.1.0.0/16", count(1))
		own := fmt.Sprintf("10.9.%d.0/24", n)
		s.announce(t, "red", change(own, 1))
		eventually(t, "the customer hears the VRF's own", func() bool { return len(customer.has(own, 0)) == 1 })
		if len(customer.has("10.1.0.0/16", 0)) > 0 {
			t.Errorf("with RD %s: the customer hears what nobody passed on", rd)
		}
		if got := s.Drift(); len(got) != 0 {
			t.Errorf("BGP is taken for changed by others: %v", got)
		}
	}
	s.withholding(t, nil)
	if _, err := s.Reload(t.Context(), text("65000:1", true), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the customer hears all", func() bool { return len(customer.has("10.1.0.0/16", 0)) == 1 })
	if _, err := s.Reload(t.Context(), text("", false), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	if got := s.keeper.screens.wanted(); len(got) > 0 {
		t.Errorf("screened are still %v", got)
	}
}
