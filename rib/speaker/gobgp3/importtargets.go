package gobgp3

import (
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// importTargets are a VRF's import targets, by which it is decided of whom among its neighbours
// GoBGP tells a VPN route: CanImportToVrf in internal/pkg/table/policy.go.
type importTargets struct {
	of []rib.RT
	// dotted are those with a point in their text, which GoBGP takes for any character: 1.2:5, of
	// AS 65538, is 112:5 too. What it told of by that it has to take back by that as well.
	dotted []string
}

func importsOf(v *bgpVRF) (t importTargets) {
	for _, c := range v.ImportRt {
		if rt, is := decodeRT(c); is {
			t.of = append(t.of, rt)
		}
		if text := c.String(); strings.Contains(text, ".") {
			t.dotted = append(t.dotted, text)
		}
	}
	return t
}

// take tells whether a path has one of them.
func (t importTargets) take(p *bgpPath) bool { return t.takeOne(extendedCommunities(p)) }

// takeOne tells whether one of a path's communities is one of them.
func (t importTargets) takeOne(of []bgp.ExtendedCommunityInterface) bool {
	return slices.ContainsFunc(of, t.has)
}

// extendedCommunities are those of a path.
func extendedCommunities(p *bgpPath) []bgp.ExtendedCommunityInterface {
	for _, a := range p.attributes() {
		if e, is := a.(*bgp.PathAttributeExtendedCommunities); is {
			return e.Value
		}
	}
	return nil
}

func (t importTargets) has(c bgp.ExtendedCommunityInterface) bool {
	rt, is := decodeRT(c)
	if !is {
		return false
	}
	if slices.Contains(t.of, rt) || len(t.dotted) == 0 {
		return slices.Contains(t.of, rt)
	}
	text := c.String()
	return slices.ContainsFunc(t.dotted, func(dotted string) bool { return fits(dotted, text) })
}

// fits tells whether a text is as another one, of which a point stands for any character.
func fits(dotted, text string) bool {
	if len(dotted) != len(text) {
		return false
	}
	for i := range len(text) {
		if dotted[i] != text[i] && dotted[i] != '.' {
			return false
		}
	}
	return true
}

// targetsOf are route targets as GoBGP has them.
func targetsOf(list []string) (out []bgp.ExtendedCommunityInterface, err error) {
	for _, text := range list {
		rt, err := bgp.ParseRouteTarget(text)
		if err != nil {
			return nil, err
		}
		out = append(out, rt)
	}
	return out, nil
}

// bothTargets are those of a VRF's two lists.
func bothTargets(imports, exports []string) (in, out []bgp.ExtendedCommunityInterface, err error) {
	if in, err = targetsOf(imports); err == nil {
		out, err = targetsOf(exports)
	}
	return in, out, err
}
