package rib

// picked is the route of a prefix that is announced.
type picked struct {
	at    int       // its index; -1: there is none
	attrs *Attrs    // as the policy left them; nil: there is no policy
	first judgement // of the first route
}

// announcing are the attributes that a route is to be announced with, before the policy is
// asked. Routes with the same MED share them.
func (x *Importing) announcing(r *Route) *Attrs {
	p, med := &x.policy, r.Metric
	if p.MED != nil {
		med = *p.MED
	}
	if a := x.last.Load(); a != nil && a.MED == med {
		return a
	}
	a := &Attrs{
		Via: &Via{Source: x.name, Imported: true}, Tags: &Tags{Communities: p.Communities, Large: p.LargeCommunities},
		LocalPref: defaultLocalPref, MED: med, Origin: OriginIncomplete,
	}
	x.last.Store(a)
	return a
}

// ourselves stands for our own AS, whichever a session has: what counts of the AS path of an
// announcement is its length. It is AS_TRANS, which no router has (RFC 6793, 9).
const ourselves = 23456

// ask asks the policy about a route that nothing else leaves out.
func (x *Importing) ask(r *Route, v View, acted bool, h *Hearing) Ruling {
	return x.policy.Policy.Judge(Subject{
		Prefix: r.Prefix, Attrs: x.announcing(r), VRF: x.name, AS: ourselves, Route: r, Links: v.Links,
		Unacted: x.looksOn || !acted,
	}, h)
}

// LookingOn is x for who shows what is decided and does not act on it: the policy counts
// nothing.
func (x *Importing) LookingOn() *Importing {
	return &Importing{name: x.name, policy: x.policy, protocol: x.protocol, globs: x.globs, looksOn: true}
}

// announce is what a VRF tells BGP of a route: with the attributes that the policy left it,
// where there is one.
func (x *Importing) announce(r Route, attrs *Attrs) Import {
	p := &x.policy
	a := Announcement{Prefix: r.Prefix, MED: r.Metric, Communities: p.Communities, Large: p.LargeCommunities}
	if p.MED != nil {
		a.MED = *p.MED
	}
	if attrs != nil {
		a.MED, a.Communities, a.Large = attrs.MED, attrs.Communities, attrs.Large
		a.Prepend = uint8(len(attrs.ASPath))
		if attrs.LocalPref != defaultLocalPref {
			a.LocalPref = &attrs.LocalPref
		}
	}
	return Import{r, a}
}
