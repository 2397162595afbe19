package rib

import (
	"slices"
	"strings"
)

// match tells whether a path with these attributes carries any of the communities that
// the policy names, or none is named.
func (p *ExportPolicy) match(a *Attrs) bool {
	if !p.Filtered() {
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

// anyPath is what a policy wants that names no communities.
const anyPath = "any path"

// Wants says in words what match looks for: "community 65001:100", "any of the
// communities 65001:100, 65001:1:100", or anyPath. It fits behind "a path with", but for
// the last.
func (p *ExportPolicy) Wants() string {
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
		return anyPath
	case 1:
		return "community " + names[0]
	}
	return "any of the communities " + strings.Join(names, ", ")
}
