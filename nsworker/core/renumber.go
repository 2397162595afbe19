package core

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// tenancy are the VRFs with labels and SIDs. One that gets another label, or other SIDs, has both for a
// while: the new one is put in beside the one that it had, which is kept true until the VRF's worker says
// that other PEs have been told of the new one, and goes a while after that. As long as the new one cannot
// be had, they send by the old one. All of it is guarded by Core.mu.
type tenancy struct {
	all     map[string]*tenant   // by the VRF's name, or another one of what it had before
	formers map[string][]*tenant // what VRFs had before, by VRF, the newest last
}

func newTenancy() tenancy {
	return tenancy{all: make(map[string]*tenant), formers: make(map[string][]*tenant)}
}

// formerly is the name of a VRF by what it had before it got another label or SID.
func formerly(vrf string, is *rib.Carriage) string { return vrf + " by " + is.Address() }

// need has the label or SIDs of a VRF.
func (y *tenancy) need(vrf string, in rib.Binding, is rib.Carriage, at rib.Inside) {
	t := y.all[vrf]
	switch {
	case t == nil:
		t = &tenant{of: vrf, why: notYet}
	case t.in == in && t.is == is:
	case t.in == in && t.is.SameWay(&is):
		t = y.renumber(t, &is)
	default:
		y.letGo(vrf)
		t = &tenant{of: vrf, asked: t.asked, why: notYet}
	}
	y.all[vrf] = t
	t.in, t.is, t.at, t.goes = in, is, at, time.Time{}
	t.asked++
	for _, f := range y.formers[vrf] {
		f.at, f.asked = at, t.asked
	}
}

// renumber is a VRF with another label or SIDs; what it had stays beside that.
func (y *tenancy) renumber(t *tenant, to *rib.Carriage) *tenant {
	next := &tenant{of: t.of, why: notYet}
	if i := slices.IndexFunc(y.formers[t.of], func(f *tenant) bool { return f.is == *to }); i >= 0 { // it comes back to that
		if next = y.formers[t.of][i]; !next.goes.IsZero() {
			next.why = notYet // nobody has looked since it was to go
		}
		y.remove(formerly(t.of, to), next)
	}
	next.asked = t.asked
	if len(t.numbers()) > 0 {
		y.all[formerly(t.of, &t.is)] = t
		y.formers[t.of] = append(y.formers[t.of], t)
	}
	return next
}

// remove takes out a VRF, or what it had before.
func (y *tenancy) remove(name string, t *tenant) {
	delete(y.all, name)
	left := slices.DeleteFunc(y.formers[t.of], func(f *tenant) bool { return f == t })
	if y.formers[t.of] = left; len(left) == 0 {
		delete(y.formers, t.of)
	}
}

// letGo has what a VRF had before removed, after a while, and tells whether any of it was to stay.
func (y *tenancy) letGo(vrf string) (any bool) {
	for _, f := range y.formers[vrf] {
		if f.goes.IsZero() {
			f.goes, any = time.Now().Add(grace), true
		}
	}
	return any
}

// told takes in by what other PEs have been told to send to a VRF, and tells whether what it had before
// goes for that.
func (y *tenancy) told(vrf string, by rib.Carried) bool {
	t := y.all[vrf]
	if t == nil {
		return false
	}
	now := rib.Carried{}
	if len(t.numbers()) > 0 {
		now = t.is.Carried()
	}
	if by != now || now != (rib.Carried{}) && t.why != "" {
		return false
	}
	return y.letGo(vrf)
}

// arrival is how packets of other PEs come into a VRF, with trouble beside its label or SIDs.
func (y *tenancy) arrival(vrf, trouble string) (a rib.Arrival) {
	t := y.all[vrf]
	if a.Why = t.why; a.Why == "" {
		a.Why = trouble
	}
	for _, f := range slices.Backward(y.formers[vrf]) {
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
