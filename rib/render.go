package rib

import (
	"strconv"
	"strings"
)

// Scopes of IPv4 routes as rt_scopes names them; 0 (global) is not printed.
const (
	scopeSite    = 200
	scopeLink    = 253
	scopeHost    = 254
	scopeNowhere = 255
)

// String is the name of k as `ip route` prints and reads it; a number where it
// has none.
func (k Kind) String() string {
	switch k {
	case KindUnicast:
		return "unicast"
	case KindLocal:
		return "local"
	case KindBroadcast:
		return "broadcast"
	case KindAnycast:
		return "anycast"
	case KindMulticast:
		return "multicast"
	case KindBlackhole:
		return "blackhole"
	case KindUnreachable:
		return "unreachable"
	case KindProhibit:
		return "prohibit"
	case KindThrow:
		return "throw"
	}
	return strconv.Itoa(int(k))
}

// String is Format without the names of interfaces: "if3" stands for index 3.
func (r Route) String() string { return r.Format(nil) }

// Format renders r as `ip route` prints it: "10.1.0.0/24 via 192.0.2.1 dev eth0
// proto vrfredist metric 20". A route of several hops has a line for each,
// begun by a tab, as there. Left out are what Route does not hold (the
// preference of an IPv6 route) and the blank that ends iproute2's lines.
func (r Route) Format(links Links) string {
	var b strings.Builder
	b.Grow(96)
	word := func(words ...string) {
		for _, w := range words {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w)
		}
	}
	if r.Kind != KindUnicast && r.Kind != 0 {
		word(r.Kind.String())
	}
	word(destination(r))
	if r.NexthopID != 0 {
		word("nhid", utoa(r.NexthopID))
	}
	v4 := r.Prefix.Addr().Is4()
	if len(r.Hops) == 1 {
		word(r.Hops[0].encap()...)
		word(r.Hops[0].Way(links, v4)...)
	}
	word("proto", ProtocolName(r.Protocol))
	if s := scopeName(r.Scope); s != "" && v4 {
		word("scope", s)
	}
	if r.PrefSrc.IsValid() {
		word("src", r.PrefSrc.String())
	}
	if r.Metric != 0 {
		word("metric", utoa(r.Metric))
	}
	if len(r.Hops) == 1 {
		word(flags(r.Hops[0])...)
		return b.String()
	}
	for _, h := range r.Hops {
		b.WriteString("\n\tnexthop")
		word(h.encap()...)
		word(h.Way(links, v4)...)
		word("weight", strconv.Itoa(int(h.weight())))
		word(flags(h)...)
	}
	return b.String()
}

func destination(r Route) string {
	switch {
	case r.Prefix.Bits() == 0:
		return "default"
	case r.Prefix.IsSingleIP():
		return r.Prefix.Addr().String()
	}
	return r.Prefix.String()
}

// Way is where a hop of a route goes, as `ip route` prints it: "via 192.0.2.1 dev eth0".
func (h Hop) Way(links Links, v4 bool) []string {
	var words []string
	if h.Gateway.IsValid() {
		words = append(words, "via")
		if v4 && h.Gateway.Is6() {
			words = append(words, "inet6")
		}
		words = append(words, h.Gateway.String())
	}
	if h.Ifindex != 0 {
		words = append(words, "dev", links.name(h.Ifindex))
	}
	return words
}

// encap is what a hop puts packets into, as `ip route` reads it, as far as it is known.
func (h Hop) encap() []string {
	switch t := h.Encap.Tunnel(); {
	case h.Encap == (Encap{}):
		return nil
	case t.Labels != "":
		return []string{"encap", "mpls", t.Labels.String()}
	case t.SID.IsValid() && t.Reduced:
		return []string{"encap", "seg6", "mode", "encap.red", "segs", t.SID.String()}
	case t.SID.IsValid():
		return []string{"encap", "seg6", "mode", "encap", "segs", t.SID.String()}
	}
	return []string{"encap", h.Encap.Kind().String()}
}

func flags(h Hop) []string {
	var words []string
	if h.Dead {
		words = append(words, "dead")
	}
	if h.OnLink {
		words = append(words, "onlink")
	}
	return words
}

func scopeName(scope uint8) string {
	switch scope {
	case 0:
		return ""
	case scopeSite:
		return "site"
	case scopeLink:
		return "link"
	case scopeHost:
		return "host"
	case scopeNowhere:
		return "nowhere"
	}
	return strconv.Itoa(int(scope))
}

// name is the name of an interface, or "if3" as iproute2 writes it for an index
// that nobody has.
func (l Links) name(index int) string {
	if k, ok := l[index]; ok {
		return k.Name
	}
	return "if" + strconv.Itoa(index)
}
