package rib

import (
	"cmp"
	"net/netip"
	"slices"
)

// Exporting is how a VRF judges what BGP has for it: its export policy, made ready once
// for all of its prefixes. It is immutable.
type Exporting struct {
	name   string // of the VRF, as commands take it
	of     string // its name in BGP: paths with this Source are its own
	policy ExportPolicy
	wants  string // what the policy's communities ask for, in words

	rpki     *RPKI // what the policies are told; nil: they do not ask
	looksOn  bool  // nobody acts on what is decided
	discards map[netip.Prefix]struct{}
}

// NewExporting makes the export policy of a VRF ready. name is what the configuration
// calls the VRF, of the VRF of BGP whose routes it has: a secondary table of a VRF has a name
// of its own.
func NewExporting(name, of string, policy ExportPolicy) *Exporting {
	return &Exporting{name: name, of: of, policy: policy, wants: policy.Wants()}
}

// Asking is x with what its policies are told that ask what the RPKI says.
func (x *Exporting) Asking(by *RPKI) *Exporting {
	if !AsksRPKI(x.policy.Policy) && !AsksRPKI(x.policy.Receive) {
		return x
	}
	c := *x
	c.rpki = by
	return &c
}

// Discarding is x for a VRF with aggregates: as long as one that discards is announced, and is
// the best path, its prefix gets a route that discards.
func (x *Exporting) Discarding(list []Aggregate) *Exporting {
	c := *x
	c.discards = make(map[netip.Prefix]struct{})
	for i := range list {
		if list[i].Discard {
			c.discards[list[i].Prefix] = struct{}{}
		}
	}
	return &c
}

// discarding tells whether a path is an aggregate of the VRF that discards.
func (x *Exporting) discarding(prefix netip.Prefix, a *Attrs) bool {
	_, is := x.discards[prefix]
	return is && x.imported(a) && a.As == FromAggregate
}

// Candidates are the paths of one prefix in the feed of a VRF, and what else of the VRF
// counts for them and may change without its Spec.
type Candidates struct {
	Prefix netip.Prefix
	Paths  []Path              // in any order; they are not changed
	Reach  func(p *Path) Reach // how the nexthop of a path is reached; nil: each is
	Own    *OwnPrefixes        // the VRF's own, as of now
	Taken  Taken               // what the VRF imports of the kernel's routes
	Room   []Path              // the chosen paths are written over it; it must not overlap Paths
	// Judged is room for the paths as the policy leaves them: they are written over it.
	Judged []Path

	heard    bool // Judged is what the policies left, and rejected why they left nothing
	rejected rejection
}

// Hear has the policies asked before Decide, which does not ask them again: then what they leave
// can be compared with what they left of others. It is called once.
func (x *Exporting) Hear(c *Candidates) {
	c.Judged, c.rejected = x.judged(c, nil)
	c.heard = true
}

// Reach is how the nexthop of a path is reached, the best first.
type Reach uint8

// A path whose nexthop is not reached takes no part in the choice (RFC 4271, 9.1.2); one
// that is reached only over a link without carrier, or that the kernel takes for no gateway,
// takes part where no other one does.
const (
	Reached Reach = iota
	NoCarrier
	Refused
	Unreached
)

// Verdict is what becomes of a prefix on its way from BGP to the kernel.
type Verdict struct {
	// Chosen are the paths that the VRF uses, best first. A prefix that is left out has
	// them too, where it has a path: they are what BGP would have the VRF use.
	Chosen []Path
	// Backup is the path that would be chosen, and installed, if the nexthops of the chosen
	// ones were lost; without Attrs: there is none.
	Backup Path
	// Reach is how the chosen paths are reached: where no path is, they are what BGP would
	// have the VRF use.
	Reach Reach
	// Metric and PrefSrc are those of the route that the chosen paths come to: what the policy
	// set for the best one, or else the VRF's own.
	Metric  uint32
	PrefSrc netip.Addr
	// Discards says that packets for the prefix are discarded: it is an aggregate of the VRF.
	Discards bool
	// Out is why nothing of the prefix goes into the kernel. Accepted: the chosen paths
	// do, as far as their nexthops are found.
	Out Cause

	rejected rejection
}

// Decide says what becomes of a prefix on its way from BGP to the kernel table of a VRF.
// The worker acts on it, the list of routes shows it, a plan is rehearsed with it, and an
// explanation prints its trace; nobody decides a second time. It is pure, and does not
// depend on the order of the paths. With a trace it goes on behind the step that stops
// the prefix, so that all that is in the way is seen; without one it allocates nothing
// where Room and Judged are large enough.
//
// The order of judgement, and where more of it belongs:
//
//	AtExport        Is export on?
//	AtCandidates    Is there a path?
//	AtReceive       Does the policy for the paths of other VRFs and PEs leave one?
//	AtPolicy        Does the export policy accept one? A path that it rejects takes no
//	                part, and the others are from here on as it left them.
//	AtChoice        The best path, and those as good, of those whose nexthop is reached
//	                (RFC 4271, 9.1.2). Before the choice each path is judged by itself,
//	                and one that fails takes no part: by the policy; by its encapsulation,
//	                which the VRF must be able to use; by its nexthop.
//	AtOwnImport     Is the best path what this VRF told BGP itself? Where the kernel would
//	                forward by our route, and not by the one that was imported, the choice
//	                was made without it. An aggregate goes on, to become a route that
//	                discards, where its configuration says so.
//	AtConnected     Is the prefix a subnet or an address of this VRF?
//	AtMartian       Is it one that no unicast table should have?
//	AtCommunities   Does the best path carry what the policy asks for?
//
// Of a prefix that nothing stops the backup is found then: by the same choice without the
// nexthops of the chosen paths. What follows is the worker's, which knows more than one
// prefix: nexthops, quota, kernel.
func Decide(x *Exporting, c *Candidates, t *Trace) Verdict {
	t.begin()
	paths, rejected := c.Judged, c.rejected
	if !c.heard {
		paths, rejected = x.judged(c, t)
	}
	if len(paths) == 0 {
		paths = c.Paths // of which the others are told: they are what BGP has
	}
	v := x.choose(c, paths)
	v.rejected = rejected
	v.Discards = len(v.Chosen) > 0 && x.discarding(c.Prefix, v.Chosen[0].Attrs)
	x.terms(c, &v)
	switch { // to the first that ends it
	case v.ends(t, AtExport, x.off()):
	case v.ends(t, AtCandidates, none(c.Paths)) || len(c.Paths) == 0: // there is no more to judge
	case x.policy.Receive != nil && v.ends(t, AtReceive, v.rejects(AtReceive)):
	case x.policy.Policy != nil && v.ends(t, AtPolicy, v.rejects(AtPolicy)):
	case v.ends(t, AtChoice, Accepted):
	case v.ends(t, AtOwnImport, x.ownImport(&v)):
	case v.ends(t, AtConnected, connected(c.Own, c.Prefix)):
	case v.ends(t, AtMartian, x.martian(c.Prefix)):
	case v.Discards: // communities choose among what others announce
	case v.ends(t, AtCommunities, x.communities(v.Chosen[0].Attrs)):
	}
	if t != nil {
		t.decided(x, c, &v)
	}
	if v.Out == Accepted {
		x.backup(c, paths, &v)
	}
	if t != nil && len(c.Paths) > 0 {
		t.ranked(x, c, paths, &v)
	}
	return v
}

// choose chooses among the paths that are reached best. Where the VRF's own import is the best
// one, and the kernel would not forward by its route but by ours, the own import takes no part.
func (x *Exporting) choose(c *Candidates, paths []Path) Verdict {
	v := x.chooseOf(c, paths, false)
	if len(paths) < 2 || !x.imported(v.Chosen[0].Attrs) || x.discarding(c.Prefix, v.Chosen[0].Attrs) {
		return v
	}
	if others := x.chooseOf(c, paths, true); len(others.Chosen) > 0 && x.outranks(c, x.metric(others.Chosen[0].Attrs)) {
		return others
	}
	return x.chooseOf(c, paths, false) // the room was used
}

// chooseOf is choose, with or without the VRF's own imports.
func (x *Exporting) chooseOf(c *Candidates, paths []Path, withoutOwn bool) Verdict {
	if len(paths) == 0 {
		return Verdict{Chosen: c.Room[:0]}
	}
	v := Verdict{Reach: Unreached, Chosen: c.Room[:0]}
	for i := range paths {
		if withoutOwn && x.imported(paths[i].Attrs) {
			continue
		}
		switch r := c.reach(&paths[i]); {
		case r < v.Reach:
			v.Reach, v.Chosen = r, append(v.Chosen[:0], paths[i])
		case r == v.Reach:
			v.Chosen = append(v.Chosen, paths[i])
		}
	}
	v.Chosen = x.among(v.Chosen)
	return v
}

// reach is how a path is reached.
func (c *Candidates) reach(p *Path) Reach {
	if c.Reach == nil {
		return Reached
	}
	return c.Reach(p)
}

// among chooses among paths, in place.
func (x *Exporting) among(paths []Path) []Path {
	return selectIn(paths, x.policy.MaxPaths, x.policy.Selection, &x.policy)
}

// backup finds the path that would be installed if the nexthops of the chosen ones were
// lost.
func (x *Exporting) backup(c *Candidates, paths []Path, v *Verdict) {
	if len(paths) < 2 || v.Reach == Unreached || v.Discards { // nothing stands that could be lost
		return
	}
	rest := v.Chosen[len(v.Chosen):]
	best := Unreached
	for i := range paths {
		p := &paths[i]
		if slices.ContainsFunc(v.Chosen, func(o Path) bool { return sameNexthop(o.Attrs, p.Attrs) }) {
			continue
		}
		if x.imported(p.Attrs) && x.outranks(c, v.Metric) {
			continue
		}
		switch r := c.reach(p); {
		case r < best:
			best, rest = r, append(rest[:0], *p)
		case r == best && r != Unreached:
			rest = append(rest, *p)
		}
	}
	if len(rest) == 0 {
		return
	}
	p := selectIn(rest, 1, x.policy.Selection, nil)[0]
	if !x.imported(p.Attrs) && x.communities(p.Attrs) == Accepted {
		v.Backup = p
	}
}

// ends takes in what a step came to, and tells whether the decision is over. With a trace
// it never is.
func (v *Verdict) ends(t *Trace, at Place, out Cause) bool {
	if t == nil {
		v.Out = out
		return out != Accepted
	}
	t.judged(at, Reason{Cause: out})
	return false
}

// OfPrefix is what Decide says of a prefix whatever its paths are like. It is enough where
// all else was decided for another prefix with the same path.
func (x *Exporting) OfPrefix(own *OwnPrefixes, prefix netip.Prefix) Cause {
	return cmp.Or(connected(own, prefix), x.martian(prefix))
}

func none(paths []Path) Cause {
	if len(paths) == 0 {
		return NoPath
	}
	return Accepted
}

func (x *Exporting) off() Cause {
	if !x.policy.Enabled {
		return ExportOff
	}
	return Accepted
}

func (x *Exporting) ownImport(v *Verdict) Cause {
	best := v.Chosen[0].Attrs
	switch {
	case !x.imported(best), v.Discards:
		return Accepted
	case best.As == FromKernel:
		return OwnImport
	}
	return OwnPrefix
}

// connected leaves out what the VRF has on its own links.
//
// A BGP route for a connected prefix with a lower metric than the kernel's (256 in IPv6)
// would lead packets for the neighbours on a link to one of them, and the kernel would
// take none of the others for a gateway any longer (ip6_route_check_nh in
// net/ipv6/route.c).
func connected(own *OwnPrefixes, prefix netip.Prefix) Cause {
	switch {
	case own.Subnet(prefix):
		return OwnSubnet
	case own.Address(prefix):
		return OwnAddress
	}
	return Accepted
}

func (x *Exporting) martian(prefix netip.Prefix) Cause {
	if _, is := MartianBut(x.policy.AcceptMartians, prefix); is {
		return MartianPrefix
	}
	return Accepted
}

func (x *Exporting) communities(best *Attrs) Cause {
	if !x.policy.match(best) {
		return NoCommunity
	}
	return Accepted
}

// Takes says in words which paths the communities of the policy let through.
func (x *Exporting) Takes() string {
	if x.wants == anyPath {
		return anyPath
	}
	return "a path with " + x.wants
}

// Reason is a Cause that Decide found, with what it is about.
func (x *Exporting) Reason(out Cause, prefix netip.Prefix) Reason {
	r := Reason{Cause: out}
	switch out {
	case ExportOff:
		r.Subject = x.name
	case MartianPrefix:
		r.Subject, _ = Martian(prefix)
	case NoCommunity:
		r.Subject = x.wants
	}
	return r
}
