package nexthop

import (
	"maps"
	"slices"
	"testing"
)

// TestSharers: sets come and go in any order, and each is there once.
func TestSharers(t *testing.T) {
	sets := []*Set{{key: "a"}, {key: "b"}, {key: "c"}}
	var s sharers
	want := make(map[*Set]struct{})
	for step, at := range []int{0, 0, 1, 1, 2, ^0, ^0, 1, 0, ^1, ^2, 2, ^0, ^2, 0, ^0} {
		if at >= 0 {
			s.add(sets[at])
			want[sets[at]] = struct{}{}
		} else {
			s.remove(sets[^at])
			delete(want, sets[^at])
		}
		got := slices.Collect(s.all)
		if len(got) != len(want) || s.len() != len(want) || !maps.Equal(want, asMap(got)) {
			t.Fatalf("after step %d there are %d, counted as %d, and should be %d", step, len(got), s.len(), len(want))
		}
	}
	for range s.all {
		t.Fatal("one stays")
	}
	for _, set := range sets {
		s.add(set)
	}
	for set := range s.all { // as those who take each off a group do
		s.remove(set)
	}
	if s.len() != 0 {
		t.Fatalf("%d stay", s.len())
	}
}

// TestOneSharerNeedsNoMap: a VRF has a set for each of many other PEs.
func TestOneSharerNeedsNoMap(t *testing.T) {
	set := new(Set)
	if n := testing.AllocsPerRun(100, func() {
		var s sharers
		s.add(set)
		for range s.all {
		}
		s.remove(set)
	}); n != 0 {
		t.Errorf("it takes %v allocations", n)
	}
}

func asMap(list []*Set) map[*Set]struct{} {
	m := make(map[*Set]struct{})
	for _, set := range list {
		m[set] = struct{}{}
	}
	return m
}
