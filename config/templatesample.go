package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sample adds a tenant to each template, so that its values are judged: one with the largest id, which
// needs the most room.
func (e *expansion) sample() {
	for _, t := range e.templates {
		taken, id := t.takenBy(e.holders), t.ids.last
		for id > t.ids.first && taken[id] != "" {
			id--
		}
		if taken[id] != "" {
			continue // by its own tenants
		}
		s := &Sight{Name: e.sampleName(t), Device: t.device != ""}
		for _, n := range t.neighborsWanted {
			n.sample(s)
		}
		e.add(t, s, id)
	}
}

// sample gives a tenant a link with such a neighbour.
func (t templateNeighbor) sample(s *Sight) {
	if t.first {
		s.Links = append(s.Links, netip.MustParsePrefix("192.0.2.2/24"))
		return
	}
	ours := t.prefix.Addr().Next()
	if theirs := ours.Next(); t.prefix.Contains(theirs) {
		s.Links, s.Callers = append(s.Links, netip.PrefixFrom(ours, t.prefix.Bits())), append(s.Callers, theirs)
	}
}

// sampleName is a name like those that a template matches, which nobody has.
func (e *expansion) sampleName(t *template) string {
	name := sampleOf(t)
	for i := 1; slices.ContainsFunc(e.holders, func(h holder) bool { return h.name == name }); i++ {
		number := strconv.Itoa(i)
		name = sampleOf(t)
		if most := 15 - len(number); t.device != "" && len(name) > most {
			name = name[:most]
		}
		name += number
	}
	return name
}

// sampleOf is a name that a template matches.
func sampleOf(t *template) string {
	var b strings.Builder
	pattern := t.netns + t.device
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '?':
			b.WriteByte('1')
		case '[':
			one := pattern[i+1]
			if one == '^' {
				one = 'x'
			}
			b.WriteByte(one)
			for i < len(pattern) && pattern[i] != ']' {
				i++
			}
		case '\\':
			i++
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(c)
		}
	}
	name := b.String()
	if t.device != "" {
		return name[:min(len(name), 15)]
	}
	return name
}
