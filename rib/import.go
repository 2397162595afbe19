package rib

import (
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Import is a kernel route that a VRF announces, and what it announces.
type Import struct {
	Route        Route
	Announcement Announcement
}

// ImportSet returns what a VRF announces of its table: of each prefix the route
// with the lowest metric among those that the policy accepts. own is the
// protocol of our routes.
func ImportSet(v View, p ImportPolicy, own uint8) map[netip.Prefix]Import {
	set := make(map[netip.Prefix]Import)
	for prefix, routes := range v.FIB.All() {
		if i, _, ok := p.pick(routes, v, own); ok {
			set[prefix] = i
		}
	}
	return set
}

// ImportOne is ImportSet for one prefix. Where ok is false, reason says why the
// route with the lowest metric is left out, "" where there is none.
func ImportOne(v View, p ImportPolicy, own uint8, prefix netip.Prefix) (i Import, reason string, ok bool) {
	return p.pick(v.FIB.Get(prefix), v, own)
}

func (p ImportPolicy) pick(routes []Route, v View, own uint8) (i Import, reason string, ok bool) {
	for _, r := range routes {
		if p.judge(r, v, own).why == accepted {
			return Import{r, p.Announcement(r)}, "", true
		}
	}
	if len(routes) == 0 {
		return Import{}, "", false
	}
	return Import{}, p.sentence(routes[0], p.judge(routes[0], v, own)), false
}

// Announcement is what a VRF tells BGP about r.
func (p ImportPolicy) Announcement(r Route) Announcement {
	a := Announcement{Prefix: r.Prefix, MED: r.Metric, Communities: p.Communities, Large: p.LargeCommunities}
	if p.MED != nil {
		a.MED = *p.MED
	}
	return a
}

// Reject returns "" where r is to be imported, and else one short sentence that
// says why not. own is the protocol of our routes.
func (p ImportPolicy) Reject(r Route, v View, own uint8) string {
	return p.sentence(r, p.judge(r, v, own))
}

// judgement is why a route is not imported, and the interface or range that it
// is about. A sentence is made of it only where someone reads it: a table may
// hold a million routes that are left out.
type judgement struct {
	why     why
	subject string
}

// why is a reason not to import. Of a route with several hops the highest
// counts: the hop that came closest.
type why uint8

const (
	accepted why = iota
	disabled
	ownRoute
	wrongKind
	defaultRoute
	wrongProtocol
	specialPrefix
	noInterface
	unknownInterface
	strangeInterface
	unnamedInterface
	interfaceDown
	hopDead
)

func (p ImportPolicy) judge(r Route, v View, own uint8) judgement {
	switch {
	case !p.Enabled:
		return judgement{why: disabled}
	case r.Protocol == own:
		return judgement{why: ownRoute}
	case r.Kind != KindUnicast:
		return judgement{why: wrongKind}
	case r.Prefix.Bits() == 0 && !p.AllowDefault:
		return judgement{why: defaultRoute}
	case len(p.Protocols) > 0 && !slices.Contains(p.Protocols, r.Protocol):
		return judgement{why: wrongProtocol}
	}
	if within := special(p.AcceptMartians, r.Prefix); within != "" {
		return judgement{specialPrefix, within}
	}
	closest := judgement{why: noInterface}
	for _, h := range r.Hops {
		j := p.judgeHop(h, v)
		if j.why == accepted {
			return j
		}
		if j.why > closest.why {
			closest = j
		}
	}
	return closest
}

func (p ImportPolicy) judgeHop(h Hop, v View) judgement {
	link, found := v.Links[h.Ifindex]
	switch {
	case !found:
		return judgement{why: unknownInterface}
	case !v.Member(link):
		return judgement{strangeInterface, link.Name}
	case !p.names(link.Name):
		return judgement{unnamedInterface, link.Name}
	case !link.Up:
		return judgement{interfaceDown, link.Name}
	case h.Dead:
		return judgement{hopDead, link.Name}
	}
	return judgement{}
}

func (p ImportPolicy) sentence(r Route, j judgement) string {
	switch j.why {
	case accepted:
		return ""
	case disabled:
		return "import is disabled"
	case ownRoute:
		return "the route is our own"
	case wrongKind:
		return "the route is of type " + r.Kind.String() + ", and only unicast ones are imported"
	case defaultRoute:
		return "the default route is imported only with allow_default"
	case wrongProtocol:
		return "its protocol " + ProtocolName(r.Protocol) + " is not in protocols"
	case specialPrefix:
		return "the prefix is " + j.subject
	case unknownInterface:
		return "its interface is not there"
	case strangeInterface:
		return "interface " + j.subject + " does not belong to this VRF"
	case unnamedInterface:
		return "interface " + j.subject + " matches nothing in interface_list (" + strings.Join(p.Interfaces, ", ") + ")"
	case interfaceDown:
		return "interface " + j.subject + " is down"
	case hopDead:
		return "its nexthop on " + j.subject + " is dead"
	}
	return "the route has no output interface"
}

func (p ImportPolicy) names(link string) bool {
	return slices.ContainsFunc(p.Interfaces, func(glob string) bool {
		ok, err := path.Match(glob, link)
		return ok && err == nil // a bad glob was refused with the configuration
	})
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
