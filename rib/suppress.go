package rib

import (
	"net/netip"
	"strings"
)

// Suppressing is a policy for what neighbours are told of a VRF's paths: it rejects what is in an
// aggregate that suppresses, and leaves the rest to next, which may be nil. Where nothing is
// suppressed it is next itself. Two of the same aggregates and the same next are equal.
func Suppressing(next Judge, list []Aggregate) Judge {
	var b strings.Builder
	for i := range list {
		if list[i].Suppress {
			text, err := list[i].Prefix.MarshalBinary()
			if err != nil {
				continue // there is no such prefix
			}
			b.WriteByte(byte(len(text)))
			b.Write(text)
		}
	}
	if b.Len() == 0 {
		return next
	}
	return suppressor{next, b.String()}
}

// suppressor has its prefixes as text, so that it can be compared.
type suppressor struct {
	next Judge
	in   string // each prefix in its binary form, behind its length
}

// Name implements Judge.
func (s suppressor) Name() string {
	if s.next == nil {
		return "aggregates"
	}
	return s.next.Name()
}

// String implements Judge.
func (s suppressor) String() string {
	if s.next == nil {
		return "aggregates"
	}
	return s.next.String()
}

// Judge implements Judge.
func (s suppressor) Judge(of Subject, h *Hearing) Ruling {
	for rest := s.in; len(rest) > 0; {
		n := int(rest[0])
		var p netip.Prefix
		if err := p.UnmarshalBinary([]byte(rest[1 : 1+n])); err == nil && p != of.Prefix && covers(p, of.Prefix) {
			return Ruling{Attrs: of.Attrs, Rejected: true, By: "aggregate " + p.String()}
		}
		rest = rest[1+n:]
	}
	if s.next == nil {
		return Ruling{Attrs: of.Attrs}
	}
	return s.next.Judge(of, h)
}

// AsksRPKI tells whether the policy behind it asks what the RPKI says.
func (s suppressor) AsksRPKI() bool { return AsksRPKI(s.next) }
