package conf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Differences names the keys in which two sections of one type differ, with both
// values. GoBGP's own state in them counts for nothing.
func Differences[T any](a, b T) []string {
	return differences("", reflect.ValueOf(a), reflect.ValueOf(b))
}

func differences(path string, a, b reflect.Value) (out []string) {
	switch {
	case a.Kind() == reflect.Struct:
		for f := range fieldsOf(a.Type()) {
			if tag := tagOf(f); tag != "state" {
				out = append(out, differences(join(path, tag), a.FieldByIndex(f.Index), b.FieldByIndex(f.Index))...)
			}
		}
	case isSectionList(a.Type()):
		for i := range max(a.Len(), b.Len()) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= a.Len():
				out = append(out, at+" added"+called(b.Index(i)))
			case i >= b.Len():
				out = append(out, at+" removed"+called(a.Index(i)))
			default:
				out = append(out, differences(at, a.Index(i), b.Index(i))...)
			}
		}
	case reflect.DeepEqual(a.Interface(), b.Interface()):
	case strings.HasSuffix(path, "auth-password"):
		out = append(out, path+" changed")
	default:
		out = append(out, fmt.Sprintf("%s: %s -> %s", path, shown(a), shown(b)))
	}
	return out
}

// called names the address family that a section is of.
func called(v reflect.Value) string {
	if a, ok := v.Interface().(oc.AfiSafi); ok {
		return " (" + string(a.Config.AfiSafiName) + ")"
	}
	return ""
}

func shown(v reflect.Value) string {
	if s := fmt.Sprint(v.Interface()); s != "" {
		return s
	}
	return `""`
}

// Unchangeable refuses another configuration where it differs in a section that GoBGP
// takes at its start only.
func Unchangeable(old, next *Config) error {
	a, b := old.Set, next.Set
	var sections []string
	differ := func(name string, same bool) {
		if !same {
			sections = append(sections, name)
		}
	}
	ga, gb := a.Global, b.Global
	ga.ApplyPolicy, gb.ApplyPolicy = oc.ApplyPolicy{}, oc.ApplyPolicy{}
	sortFamilies(&ga)
	sortFamilies(&gb)
	if !ga.Equal(&gb) {
		name := "global"
		if keys := Differences(ga, gb); len(keys) > 0 {
			name += " (" + strings.Join(keys, ", ") + ")"
		}
		sections = append(sections, name)
	}
	differ("zebra", a.Zebra.Equal(&b.Zebra))
	differ("rpki-servers", equalLists(a.RpkiServers, b.RpkiServers, (*oc.RpkiServer).Equal))
	differ("bmp-servers", equalLists(a.BmpServers, b.BmpServers, (*oc.BmpServer).Equal))
	differ("mrt-dump", equalLists(a.MrtDump, b.MrtDump, (*oc.Mrt).Equal))
	if len(sections) == 0 {
		return nil
	}
	return fmt.Errorf("of the file's sections, %s changed, which GoBGP cannot change while it runs: restart the daemon, or take the change back; nothing was applied",
		strings.Join(sections, ", "))
}

// sortFamilies orders the families, which GoBGP fills in from a map, in any order.
func sortFamilies(g *oc.Global) {
	g.AfiSafis = slices.Clone(g.AfiSafis)
	slices.SortFunc(g.AfiSafis, func(x, y oc.AfiSafi) int {
		return strings.Compare(string(x.Config.AfiSafiName), string(y.Config.AfiSafiName))
	})
}

func equalLists[T any](a, b []T, equal func(*T, *T) bool) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return equal(&x, &y) })
}

// SameGroup tells whether two peer groups give their neighbours the same, where one says a default and
// the other leaves it to GoBGP.
func SameGroup(a, b oc.PeerGroup) bool {
	a, b = WithDefaults(a), WithDefaults(b)
	return a.Equal(&b)
}

// WithDefaults is a peer group with what GoBGP fills in of each neighbour in it that says nothing itself.
// One that no neighbour can be in has no defaults.
func WithDefaults(g oc.PeerGroup) oc.PeerGroup {
	n := oc.Neighbor{
		Config: oc.NeighborConfig{NeighborAddress: "192.0.2.1"}, Timers: g.Timers, ErrorHandling: g.ErrorHandling,
		GracefulRestart: g.GracefulRestart, EbgpMultihop: g.EbgpMultihop, TtlSecurity: g.TtlSecurity,
	}
	if err := oc.SetDefaultNeighborConfigValues(&n, nil, new(oc.Global)); err != nil {
		return g
	}
	g.Timers, g.ErrorHandling, g.EbgpMultihop, g.TtlSecurity = n.Timers, n.ErrorHandling, n.EbgpMultihop, n.TtlSecurity
	g.GracefulRestart.Config.DeferralTime = n.GracefulRestart.Config.DeferralTime // the restart time is each neighbour's hold time
	return g
}

// SameAwaited tells whether the same VRFs wait for the End-of-RIB of EVPN in both, and SIDs of other
// PEs are read in both or in neither.
func SameAwaited(a, b *Config) bool {
	return ReadsSIDs(a) == ReadsSIDs(b) &&
		slices.EqualFunc(a.VRFs, b.VRFs, func(x, y speaker.VRF) bool { return x.Name == y.Name && x.ByEVPN() == y.ByEVPN() })
}

// VRFsAlone returns the VRFs that go and those that come between two configurations. is tells whether
// the watch of best paths finds nothing else changed, and no leaks in either.
func VRFsAlone(old, next *Config) (gone, come []speaker.VRF, is bool) {
	if len(old.Extras.Leaks)+len(next.Extras.Leaks) > 0 || ReadsSIDs(old) != ReadsSIDs(next) ||
		!slices.EqualFunc(old.Waiting, next.Waiting, Absentee.Equal) || !SameNeighbors(old, next) {
		return nil, nil, false
	}
	for _, v := range next.VRFs {
		switch was, had := old.VRF(v.Name); {
		case !had:
			come = append(come, v)
		case !reflect.DeepEqual(was, v):
			return nil, nil, false
		}
	}
	for _, v := range old.VRFs {
		if _, stays := next.VRF(v.Name); !stays {
			gone = append(gone, v)
		}
	}
	return gone, come, true
}

// SameNeighbors tells whether the watch of best paths sees the same neighbours in both.
func SameNeighbors(a, b *Config) bool {
	x, y := a.Neighbors(), b.Neighbors()
	if len(x) != len(y) {
		return false
	}
	for addr, n := range x {
		if m, ok := y[addr]; !ok || !n.Equal(m) {
			return false
		}
	}
	return true
}
