package rib

import (
	"fmt"
	"strings"
)

// LeakRule has a VRF take paths of another one beside those that its route targets let in.
// Two rules are the same where they are equal by ==.
type LeakRule struct {
	From        string // the VRF whose paths they are; "default": the global table
	Policy      Judge  // which of them; nil: all
	MaxPrefixes uint32 // how many prefixes; 0: any number
	// Link is the interface of this VRF that leads to From, in whose namespace the other end
	// of it is; "": both are in one namespace, and packets go out by From's interfaces.
	Link string
}

// Concerns tells whether a path is one of From: this router learned or originated it there. What
// is there by a leak, or by route targets from another router, is not From's to leak, so that no
// path comes back to where it is from, however many VRFs leak from each other. Of those a rule
// takes what From chooses, see Choice: packets that come to From by the leak leave it there.
func (l *LeakRule) Concerns(p *Path) bool {
	switch a := p.Attrs; {
	case a.Imported && a.As == FromLeak, a.ByRule:
		return false
	case p.RD == 0:
		return l.From == defaultName("")
	default:
		return a.Source == l.From
	}
}

// Leaked returns the attributes of a path of From as others have it: they say that a rule let it
// in, and what its VRF prefers among its own counts for nobody else. They share nothing that is
// changed.
func (l *LeakRule) Leaked(a *Attrs) *Attrs {
	b, via := *a, *a.Via
	via.Source, via.ByRule = l.From, true
	b.Via, b.LocalPref = &via, defaultLocalPref
	if a.ShutsDown() {
		b.LocalPref = 0 // as its neighbour wants it, and not the VRF
	}
	return &b
}

// Takes tells whether the rule is about what From chose: by a link packets come to its table,
// which has to lead on.
func (l *LeakRule) Takes(c *Choice) bool { return l.Link == "" || !c.Untabled }

// Judge says what the rule's policy makes of a path, with the attributes that it has for others,
// on its way into a VRF. by is what it is told that the RPKI says.
func (l *LeakRule) Judge(p *Path, into string, unacted bool, by *RPKI, h *Hearing) Ruling {
	if l.Policy == nil {
		return Ruling{Attrs: p.Attrs}
	}
	return l.Policy.Judge(Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: into, RPKI: by.For(l.Policy, p), Unacted: unacted}, h)
}

// String names the rule by what the configuration says of it.
func (l LeakRule) String() string {
	s := l.From
	var more []string
	if l.Policy != nil {
		more = append(more, "policy "+l.Policy.String())
	}
	if l.MaxPrefixes > 0 {
		more = append(more, fmt.Sprintf("at most %d prefixes", l.MaxPrefixes))
	}
	if l.Link != "" {
		more = append(more, "by "+l.Link)
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}
