package rib

import (
	"slices"
	"testing"
)

// TestFeedEVPN: the paths of one RD and prefix that came by EVPN and those of the VPN table stand
// beside each other, and what is said of the ones leaves the others.
func TestFeedEVPN(t *testing.T) {
	t.Parallel()
	vpn := &Attrs{Via: &Via{Carrier: ByVPN}, Tags: new(Tags)}
	evpn := &Attrs{Via: &Via{Carrier: ByEVPN}, Tags: new(Tags)}
	path := func(id uint32, a *Attrs) Path {
		return Path{Prefix: host(1), RD: 7, ID: id, Label: 1<<24 - 1, Attrs: a}
	}
	f := NewFeed()
	for i, step := range []struct {
		set   func()
		want  []uint32
		quiet bool
	}{
		{func() { f.SetEVPN(host(1), 7, []Path{path(10, evpn)}) }, []uint32{10}, false},
		{func() { f.Set(host(1), 7, []Path{path(1, vpn), path(2, vpn)}) }, []uint32{10, 1, 2}, false},
		{func() { f.Set(host(1), 7, []Path{path(1, vpn), path(2, vpn)}) }, []uint32{10, 1, 2}, true},
		{func() { f.SetEVPN(host(1), 7, []Path{path(10, evpn)}) }, []uint32{10, 1, 2}, true},
		{func() { f.SetEVPN(host(1), 8, nil) }, []uint32{10, 1, 2}, true},
		{func() { f.Set(host(1), 7, []Path{path(2, vpn)}) }, []uint32{10, 2}, false},
		{func() { f.SetEVPN(host(1), 7, []Path{path(11, evpn), path(12, evpn)}) }, []uint32{2, 11, 12}, false},
		{func() { f.Set(host(1), 7, nil) }, []uint32{11, 12}, false},
		{func() { f.SetEVPN(host(1), 7, nil) }, nil, false},
		{func() { f.SetEVPN(host(1), 7, nil) }, nil, true},
	} {
		step.set()
		var got []uint32
		for _, p := range f.Lookup(host(1)) {
			got = append(got, p.ID)
			if p.Label != 1<<24-1 || p.InEVPN() != (p.ID >= 10) {
				t.Errorf("step %d: path %+v", i, p)
			}
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("step %d: paths %v, want %v", i, got, step.want)
		}
		if taken := f.Take(nil, 10); (len(taken) == 0) != step.quiet {
			t.Errorf("step %d: %d prefixes are taken", i, len(taken))
		}
	}
}
