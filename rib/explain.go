package rib

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Outcome is what one step of an Explanation came to.
type Outcome uint8

// The outcomes of a step.
const (
	Passed  Outcome = iota + 1
	Stopped         // the route goes no further: one step at most
	Noted           // told for completeness: nothing is decided here
)

func (o Outcome) String() string {
	switch o {
	case Passed:
		return "passed"
	case Stopped:
		return "stopped"
	case Noted:
		return "noted"
	}
	return "unknown"
}

// Step is one thing that decides about a route.
type Step struct {
	Name    string
	Outcome Outcome
	Text    string   // one sentence, without a full stop
	Details []string // a line each
}

// Walk is a route's way in one direction, in the order of its steps.
type Walk struct {
	Steps []Step
	// StoppedBy is the name of the one step that stopped the route; "": it is
	// where it should be.
	StoppedBy string
	Verdict   string // one sentence
}

// Add appends a step. The first one that stops decides the walk; later ones that
// would stop too are noted.
func (w *Walk) Add(name string, o Outcome, text string, details ...string) {
	if o == Stopped {
		if w.StoppedBy == "" {
			w.StoppedBy = name
		} else {
			o = Noted
		}
	}
	w.Steps = append(w.Steps, Step{name, o, text, details})
}

// Question is what an Explanation answers.
type Question struct {
	Prefix netip.Prefix
	// Longest asks for the longest known prefix that covers Prefix, which is a
	// host's.
	Longest bool
	// Confined is the question of someone who may know of the one VRF alone: the
	// answer has no paths that the VRF does not import, and of those that another
	// VRF leaks no more than that they are there.
	Confined bool
}

// Explanation says why a prefix is, or is not, in the kernel table of a VRF, and
// in BGP from there.
type Explanation struct {
	Prefix    netip.Prefix
	Export    Walk // BGP to kernel
	Import    Walk // kernel to BGP
	StoppedBy string
	Verdict   string // of the direction that matters for this prefix
}

// String says who sent a path and what of it decides, in one line.
func (p Path) String() string {
	var b strings.Builder
	if p.RD != 0 {
		fmt.Fprintf(&b, "RD %s ", p.RD)
	}
	a := p.Attrs
	switch {
	case a == nil:
		b.WriteString("unknown")
		return b.String()
	case a.Imported && a.As == FromKernel:
		fmt.Fprintf(&b, "imported from the kernel table of %s", a.sourceText())
		return b.String()
	case a.Imported:
		fmt.Fprintf(&b, "%s of %s", a.As, a.sourceText())
		return b.String()
	case a.Source == Elsewhere:
		b.WriteString("of " + Elsewhere)
	case a.local() && a.Carrier != NotCarried:
		b.WriteString("of another PE")
	case a.local():
		b.WriteString("originated here")
	default:
		fmt.Fprintf(&b, "from %s (AS %d)", a.Peer, a.PeerAS)
	}
	if a.Nexthop.IsValid() {
		fmt.Fprintf(&b, ", nexthop %s", a.Nexthop)
	}
	if a.LinkLocal.IsValid() {
		fmt.Fprintf(&b, " and %s", a.LinkLocal)
	}
	switch {
	case p.Label == 0:
	case a.Carrier == ByEVPN:
		fmt.Fprintf(&b, ", EVPN with VNI %d", p.Label)
	default:
		fmt.Fprintf(&b, ", label %d", p.Label)
	}
	fmt.Fprintf(&b, ", local preference %d", a.LocalPref)
	if a.ShutsDown() {
		b.WriteString(" (GRACEFUL_SHUTDOWN, RFC 8326)")
	}
	fmt.Fprintf(&b, ", MED %d", a.MED)
	if len(a.ASPath) > 0 {
		fmt.Fprintf(&b, ", AS path %s", strings.Trim(fmt.Sprint(a.ASPath), "[]"))
	}
	if a.Stale {
		b.WriteString(", LLGR-stale")
	}
	return b.String()
}

// ShutsDown tells whether a path is the last choice because who announced it is about to go, and
// says so (RFC 8326). Another LOCAL_PREF is a policy's.
func (a *Attrs) ShutsDown() bool {
	return a.LocalPref == 0 && a.Tags != nil && slices.Contains(a.Communities, CommunityGracefulShutdown)
}

func (a *Attrs) sourceText() string {
	if a.Source == Elsewhere {
		return Elsewhere
	}
	return fmt.Sprintf("VRF %q", a.Source)
}

// ParseDestination reads what is to be explained: a prefix, or an address, which stands
// for the longest prefix that covers it. The error says what to write instead.
func ParseDestination(text string) (p netip.Prefix, longest bool, err error) {
	if text == "" {
		return p, false, errors.New("is empty; give a prefix or an address, as in 10.1.0.0/16")
	}
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return p, false, fmt.Errorf("%q is neither a prefix nor an address; write for example 10.1.0.0/16, or 10.1.2.3 for the route that covers it", text)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true, nil
	}
	p, err = netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, false, fmt.Errorf("%q is no prefix; write for example 10.1.0.0/16", text)
	case p != p.Masked():
		return p, false, fmt.Errorf("%q has bits behind its length; write %s for the prefix, or %s for the route that covers this address", text, p.Masked(), p.Addr())
	}
	return p, false, nil
}

// Longest returns the longest prefix that covers addr and of which has tells
// that it is known; addr itself as a prefix where there is none.
func Longest(addr netip.Addr, has func(netip.Prefix) bool) (netip.Prefix, bool) {
	for bits := addr.BitLen(); bits >= 0; bits-- {
		if p := netip.PrefixFrom(addr, bits).Masked(); has(p) {
			return p, true
		}
	}
	return netip.PrefixFrom(addr, addr.BitLen()), false
}
