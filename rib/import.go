package rib

import (
	"iter"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync/atomic"
)

// Importing is how a VRF judges the routes that others put into its table: its import
// policy, made ready once for all of them. It is immutable.
type Importing struct {
	name     string // of the VRF, as commands take it
	policy   ImportPolicy
	protocol uint8  // of our own routes
	globs    string // the policy's interfaces, in words

	last    atomic.Pointer[Attrs] // what the policy was asked about last
	looksOn bool                  // nobody acts on what is decided
}

// NewImporting makes the import policy of a VRF ready, whose own routes have protocol.
func NewImporting(name string, policy ImportPolicy, protocol uint8) *Importing {
	return &Importing{name: name, policy: policy, protocol: protocol, globs: strings.Join(policy.Interfaces, ", ")}
}

// On tells whether anything is imported at all.
func (x *Importing) On() bool { return x.policy.Enabled }

// Import is a kernel route that a VRF announces, and what it announces.
type Import struct {
	Route        Route
	Announcement Announcement
}

// ImportSet yields what a VRF announces of its table, each prefix once: what DecideImport accepts.
// own are the VRF's routes in the table.
func ImportSet(x *Importing, v View, own Standing) iter.Seq2[netip.Prefix, Import] {
	return func(yield func(netip.Prefix, Import) bool) {
		var all []found
		for prefix := range x.Prefixes(v) {
			all = x.find(all[:0], v, prefix)
			got := x.pick(all, v, own, true, nil)
			if got.at >= 0 && !yield(prefix, x.announce(*all[got.at].route, got.attrs)) {
				return
			}
		}
	}
}

// DecideImport says what becomes of a prefix on its way from a VRF's kernel table to BGP:
// of the routes that the policy accepts the one with the lowest metric is announced. What
// Decide promises it promises too. out is why nothing is announced: what is in the way of
// the route with the lowest metric.
//
// The order of judgement:
//
//	AtImport        Is import on?
//	AtKernelRoute   Does the table have a route that is not ours?
//	AtRules         Do the keys of the import accept one, and is none of ours before it?
//	AtImportPolicy  Does the policy that it names accept one of those? One that it rejects
//	                leaves its place to the next.
func DecideImport(x *Importing, v View, prefix netip.Prefix, own Standing, t *Trace) (in Import, out Cause) {
	all := x.find(nil, v, prefix)
	t.begin()
	got := x.pick(all, v, own, t == nil, t)
	switch {
	case got.at >= 0:
		in = x.announce(*all[got.at].route, got.attrs)
	case !x.policy.Enabled:
		out = ImportOff
	case len(all) == 0:
		out = NoRoute
	default:
		out = got.first.cause
	}
	t.imported(x, out)
	return in, out
}

// pick finds the route that is announced. Without a trace it looks no further than it must.
// acted says that something comes of it.
func (x *Importing) pick(all []found, v View, own Standing, acted bool, t *Trace) picked {
	got := picked{at: -1}
	for i, f := range all {
		j := x.judge(f, v)
		if j.cause == Accepted && own.outranks(f.route) {
			metric, _ := own(f.route.Prefix)
			j = judgement{Outranked, utoa(metric)}
		}
		var heard *Hearing
		var attrs *Attrs
		if j.cause == Accepted && x.policy.Policy != nil {
			if t != nil {
				heard = new(Hearing)
			}
			r := x.ask(f.route, v, acted, heard)
			if attrs = r.Attrs; r.Rejected {
				j = judgement{PolicyRejects, r.By}
			}
		}
		switch {
		case j.cause == Accepted && got.at < 0:
			got.at, got.attrs = i, attrs
		case j.cause == Accepted:
			j.cause = OtherRoute
		}
		if i == 0 {
			got.first = j
		}
		if t != nil {
			t.Routes = append(t.Routes, JudgedRoute{*f.route, f.table, x.reason(f, j), heard})
		} else if got.at >= 0 {
			break
		}
	}
	return got
}

// imported takes down the steps, once the routes are judged.
func (t *Trace) imported(x *Importing, out Cause) {
	if t == nil {
		return
	}
	var off Reason
	if !x.policy.Enabled {
		off = Reason{Cause: ImportOff, Subject: x.name}
	}
	t.judged(AtImport, off)
	if len(t.Routes) == 0 {
		t.judged(AtKernelRoute, Reason{Cause: NoRoute})
		return
	}
	t.judged(AtKernelRoute, Reason{})
	var rule, policy Reason
	switch out {
	case Accepted:
	case PolicyRejects:
		policy = t.Routes[0].Reason
	default:
		rule = t.Routes[0].Reason
	}
	t.judged(AtRules, rule)
	if x.policy.Policy != nil && rule.Cause == Accepted {
		t.judged(AtImportPolicy, policy)
	}
}

// judgement is a Cause and the interface or range that it is about. A Reason is made of it
// only where someone reads it: a table may hold a million routes that are left out.
type judgement struct {
	cause   Cause
	subject string
}

func (x *Importing) judge(f found, v View) judgement {
	p, r := &x.policy, f.route
	if f.address {
		return x.judgeAddress(f, v)
	}
	switch {
	case !p.Enabled:
		return judgement{cause: ImportOff}
	case r.Protocol == x.protocol:
		return judgement{cause: OwnRoute}
	case !p.Takes(r.Kind):
		return judgement{cause: NotUnicast}
	case r.Expired:
		return judgement{cause: ExpiredRoute}
	case r.Prefix.Bits() == 0 && !p.AllowDefault:
		return judgement{cause: DefaultRoute}
	case len(p.Protocols) > 0 && !slices.Contains(p.Protocols, r.Protocol):
		return judgement{cause: UnlistedProtocol}
	}
	if within := special(p.AcceptMartians, r.Prefix); within != "" {
		return judgement{SpecialPrefix, within}
	}
	if r.Kind.discards() {
		return judgement{} // it has no interface
	}
	furthest := judgement{cause: NoInterface}
	for _, h := range r.Hops {
		j := x.judgeHop(h, v)
		if j.cause == Accepted {
			return j
		}
		if j.cause > furthest.cause {
			furthest = j
		}
	}
	return furthest
}

func (x *Importing) judgeHop(h Hop, v View) judgement {
	link, found := v.Links[h.Ifindex]
	switch {
	case !found:
		return judgement{cause: UnknownInterface}
	case !v.Member(link):
		return judgement{ForeignInterface, link.Name}
	case !x.lists(link.Name):
		return judgement{UnlistedInterface, link.Name}
	case !link.Up:
		return judgement{InterfaceDown, link.Name}
	case h.Dead:
		return judgement{DeadHop, link.Name}
	}
	return judgement{}
}

func (x *Importing) lists(link string) bool {
	return slices.ContainsFunc(x.policy.Interfaces, func(glob string) bool {
		ok, err := path.Match(glob, link)
		return ok && err == nil // a bad glob was refused with the configuration
	})
}

// kinds are what routes may do, in words.
func (x *Importing) kinds() string {
	if len(x.policy.Kinds) == 0 {
		return "only unicast"
	}
	names := make([]string, len(x.policy.Kinds))
	for i, k := range x.policy.Kinds {
		names[i] = k.String()
	}
	return "only " + strings.Join(names, ", ")
}

// reason is what was found of a route, for a person.
func (x *Importing) reason(f found, j judgement) Reason {
	r, w := f.route, Reason{Cause: j.cause, Subject: j.subject}
	switch j.cause {
	case ImportOff:
		w.Subject = x.name
	case NotUnicast:
		w.Subject, w.Asked = r.Kind.String(), x.kinds()
	case UnlistedProtocol:
		w.Subject = ProtocolName(r.Protocol)
	case UnlistedInterface:
		w.Asked = x.globs
	case OtherRoute:
		if f.table != 0 {
			w.Asked = utoa(f.table)
		}
	}
	return w
}

// linkLocal4 is no martian, because links are numbered from it; nobody else has a use
// for its routes.
var linkLocal4 = netip.MustParsePrefix("169.254.0.0/16")

// special says which range that is never imported prefix lies in, "" for none.
func special(accepted []netip.Prefix, prefix netip.Prefix) string {
	if covers(linkLocal4, prefix) {
		return "link-local (169.254.0.0/16)"
	}
	name, _ := MartianBut(accepted, prefix)
	return name
}
