package rib

import (
	"slices"
	"strings"
)

// Match tells whether a path with these attributes is to be exported: it
// carries any of the communities named, or none is named.
func (p ExportPolicy) Match(a *Attrs) bool {
	if len(p.Community) == 0 && len(p.CommunityList) == 0 && len(p.LargeCommunities) == 0 {
		return true
	}
	for _, c := range a.Communities {
		if slices.Contains(p.Community, c) || slices.Contains(p.CommunityList, c) {
			return true
		}
	}
	for _, c := range a.Large {
		if slices.Contains(p.LargeCommunities, c) {
			return true
		}
	}
	return false
}

// Wants says in words what Match looks for: "community 65001:100", "any of the
// communities 65001:100, 65001:1:100", or "any path". It fits behind "the path
// does not carry".
func (p ExportPolicy) Wants() string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, c := range p.Community {
		add(c.String())
	}
	for _, c := range p.CommunityList {
		add(c.String())
	}
	for _, c := range p.LargeCommunities {
		add(c.String())
	}
	switch len(names) {
	case 0:
		return "any path"
	case 1:
		return "community " + names[0]
	}
	return "any of the communities " + strings.Join(names, ", ")
}
