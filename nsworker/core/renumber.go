package core

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// A VRF that gets another label, or other SIDs, has both for a while: the new one is put in beside the
// one that it had, which is kept true until the VRF's worker says that other PEs have been told of the
// new one (Told), and goes a while after that. As long as the new one cannot be had, they send by the
// old one.

// formerly is the name of a VRF by what it had before it got another label or SID.
func formerly(vrf string, is *rib.Carriage) string { return vrf + " by " + is.Address() }

// needEntrance has the label or SIDs of a VRF. The caller holds mu.
func (c *Core) needEntrance(vrf string, in rib.Binding, is rib.Carriage, at rib.Inside) {
	t := c.tenants[vrf]
	switch {
	case t == nil:
		t = &tenant{of: vrf, why: notYet}
	case t.in == in && t.is == is:
	case t.in == in && t.is.SameWay(&is):
		t = c.renumber(t, &is)
	default:
		c.letGo(vrf)
		t = &tenant{of: vrf, asked: t.asked, why: notYet}
	}
	c.tenants[vrf] = t
	t.in, t.is, t.at, t.goes = in, is, at, time.Time{}
	t.asked++
	for _, f := range c.formers[vrf] {
		f.at, f.asked = at, t.asked
	}
}

// renumber is a VRF with another label or SIDs; what it had stays beside that. The caller holds mu.
func (c *Core) renumber(t *tenant, to *rib.Carriage) *tenant {
	next := &tenant{of: t.of, why: notYet}
	name := formerly(t.of, to)
	if i := slices.IndexFunc(c.formers[t.of], func(f *tenant) bool { return f.is == *to }); i >= 0 { // it comes back to that
		if next = c.formers[t.of][i]; !next.goes.IsZero() {
			next.why = notYet // nobody has looked since it was to go
		}
		c.unlist(name, next)
	}
	next.asked = t.asked
	if len(t.numbers()) > 0 {
		c.tenants[formerly(t.of, &t.is)] = t
		c.formers[t.of] = append(c.formers[t.of], t)
	}
	return next
}

// unlist takes out what a VRF had before. The caller holds mu.
func (c *Core) unlist(name string, f *tenant) {
	delete(c.tenants, name)
	left := slices.DeleteFunc(c.formers[f.of], func(o *tenant) bool { return o == f })
	if c.formers[f.of] = left; len(left) == 0 {
		delete(c.formers, f.of)
	}
}

// letGo has what a VRF had before removed, after a while, and tells whether any of it was to stay. The
// caller holds mu.
func (c *Core) letGo(vrf string) (any bool) {
	for _, f := range c.formers[vrf] {
		if f.goes.IsZero() {
			f.goes, any = time.Now().Add(grace), true
		}
	}
	return any
}

// Told says by what other PEs have been told to send to a VRF; the zero one: by nothing. Once that is
// what the VRF has now, what it had before goes, after a while: until they have heard of it packets
// come by that.
func (c *Core) Told(vrf string, by rib.Carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants[vrf]
	if t == nil {
		return
	}
	now := rib.Carried{}
	if len(t.numbers()) > 0 {
		now = t.is.Carried()
	}
	if by != now || now != (rib.Carried{}) && t.why != "" || !c.letGo(vrf) {
		return
	}
	c.tell(func(of string) bool { return of == vrf })
	c.nudge()
}

// Entrance is how packets of other PEs come into a VRF by its label or SIDs.
func (c *Core) Entrance(vrf string) (a rib.Arrival) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants[vrf]
	if t == nil {
		return a
	}
	a.Why = t.why
	if d := c.devices[deviceKey{vrf, t.is.MadeDevice()}]; d != nil && a.Why == "" {
		a.Why = d.why
	}
	for _, f := range slices.Backward(c.formers[vrf]) {
		if !f.goes.IsZero() || f.why != "" {
			continue
		}
		a.Moves = a.Why == "" || a.Why == notYet
		if t.why != "" && len(t.numbers()) > 0 {
			a.Meanwhile = f.is.Carried()
		}
		break
	}
	return a
}
