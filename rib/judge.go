package rib

import (
	"fmt"
	"net/netip"
	"strings"
)

// Judge is a policy, as the decisions ask it: rules of which the first that matches decides.
// It may be asked from any goroutine. Two judges are the same policy where they are equal by ==.
type Judge interface {
	// Name is what the configuration calls it.
	Name() string
	// String is its name with what tells it from another policy of that name.
	String() string
	// Judge says what becomes of s. Where nothing of s is changed nothing is allocated. Into h
	// goes how that came about; nil: nobody asks, and the rules that match are counted, unless
	// s is Unacted.
	Judge(s Subject, h *Hearing) Ruling
}

// Subject is what a policy judges: a path of BGP, or a route of the kernel on its way to BGP.
type Subject struct {
	Prefix netip.Prefix
	RD     RD     // of a path that came, or goes, as a VPN route
	Attrs  *Attrs // never nil: of a kernel route those that it is to be announced with
	VRF    string // that judges, by BGP's name for it
	AS     uint32 // that prepend_as puts before the AS path; 0: the path's own first one
	// Route is the kernel route, and Links are the interfaces that its hops name; nil: it is
	// a path.
	Route *Route
	Links Links
	RPKI  Validity
	// Unacted is for who looks on: what is judged is shown, and nothing comes of it.
	Unacted bool
}

// Neighbor is whom a path came from, and the VRF ("default" for the global table) that has its
// session; invalid: it originated here, or is a kernel route.
func (s *Subject) Neighbor() (peer netip.Addr, vrf string) {
	if s.Route != nil || !s.Attrs.Peer.IsValid() {
		return netip.Addr{}, ""
	}
	return s.Attrs.Peer, defaultName(s.Attrs.Source)
}

// SourceVRF is the VRF ("default" for the global table) in which this router learned or
// originated the path; "": another router did, and sent it as a VPN route.
func (s *Subject) SourceVRF() string {
	switch {
	case s.Route != nil:
		return s.VRF
	case s.Attrs.Source == "" && s.RD != 0:
		return ""
	}
	return defaultName(s.Attrs.Source)
}

func defaultName(vrf string) string {
	if vrf == "" {
		return "default"
	}
	return vrf
}

// Validity is what the RPKI says of a path (RFC 6811, 2). The zero Validity is that of a
// router without a validated cache.
type Validity uint8

// The validation states of RFC 6811.
const (
	NotFound Validity = iota
	Valid
	Invalid
)

// String is the state as configurations write it.
func (v Validity) String() string { return [...]string{"not-found", "valid", "invalid"}[v] }

// Ruling is what a policy made of a Subject.
type Ruling struct {
	// Attrs are those that the path has now: the very ones that were judged where nothing was
	// changed. Subjects with the same ones share a changed copy.
	Attrs    *Attrs
	Rejected bool
	// By is what decided, for a person: `policy "to-kernel", rule 2 (customers)`.
	By string
	// Nexthop is what is told to a neighbour in place of the path's nexthop.
	Nexthop NexthopTold
}

// NexthopTold is what becomes of a path's nexthop where it is told to a neighbour.
type NexthopTold uint8

// What a policy may say of it. An address is in the Attrs.
const (
	NexthopUsual     NexthopTold = iota // as BGP has it for the kind of neighbour
	NexthopSelf                         // this router's address on the session
	NexthopUnchanged                    // the path's own
)

// Hearing takes down how a policy judged one Subject.
type Hearing struct {
	Policy   string
	Matched  []MatchedRule // in their order
	By       string        // as in Ruling
	Rejected bool
}

// MatchedRule is a rule that matched.
type MatchedRule struct {
	Rule    string   // "rule 2 (customers)"
	Changes []string // what it changed: "sets local preference 200"
	Action  string   // "accept", "reject", "next"
}

// Lines say it for a person: what was changed, and what decided.
func (h *Hearing) Lines() []string {
	var out []string
	for _, m := range h.Matched {
		line := fmt.Sprintf("policy %q: %s matches", h.Policy, m.Rule)
		if len(m.Changes) > 0 && m.Action != "reject" {
			line += ": " + strings.Join(m.Changes, ", ")
		}
		out = append(out, line+thenWords(m.Action))
	}
	if n := len(h.Matched); n > 0 && h.Matched[n-1].Action != "next" {
		return out
	}
	verb := "accepts"
	if h.Rejected {
		verb = "rejects"
	}
	return append(out, fmt.Sprintf("policy %q: no rule decides, and its default %s", h.Policy, verb))
}

func thenWords(action string) string {
	switch action {
	case "reject":
		return ", and rejects"
	case "next":
		return "; the next rules are asked"
	}
	return ", and accepts"
}
