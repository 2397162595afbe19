package prefixes

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestTables(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(int, uint64) []netip.Prefix
		mix  []share
	}{"IPv4": {IPv4, mix4}, "IPv6": {IPv6, mix6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			total := 0
			for _, s := range tc.mix {
				total += s.permille
			}
			if total != 1000 {
				t.Errorf("the shares sum up to %d thousandths", total)
			}
			const n = 20_000
			table := tc.make(n, 1)
			if !slices.Equal(table, tc.make(n, 1)) {
				t.Error("the same seed made another table")
			}
			if slices.Equal(table, tc.make(n, 2)) {
				t.Error("another seed made the same table")
			}
			lengths, seen := map[int]int{}, map[netip.Prefix]bool{}
			for _, p := range table {
				if p != p.Masked() || seen[p] {
					t.Fatalf("%v has host bits, or is there twice", p)
				}
				seen[p] = true
				lengths[p.Bits()]++
				for _, no := range reserved {
					if p.Overlaps(no) {
						t.Fatalf("%v overlaps %v", p, no)
					}
				}
			}
			if len(seen) != n {
				t.Errorf("%d prefixes, want %d", len(seen), n)
			}
			for _, s := range tc.mix[1:] {
				if lengths[s.bits] != n*s.permille/1000 {
					t.Errorf("%d prefixes of /%d, want %d thousandths of %d", lengths[s.bits], s.bits, s.permille, n)
				}
			}
		})
	}
}

// Of four million prefixes a thousandth would be more /12 than there are: the commonest length
// takes what is too much.
func TestATableHasNoMorePrefixesOfALengthThanThereAre(t *testing.T) {
	t.Parallel()
	const n = 10_000
	made := make(chan []netip.Prefix, 1)
	go func() { made <- generate(n, 1, []share{{24, 500}, {12, 500}}, most4, draw4) }()
	select {
	case table := <-made:
		short := 0
		for _, p := range table {
			if p.Bits() == 12 {
				short++
			}
		}
		if len(table) != n || short != most4(12) {
			t.Errorf("%d prefixes, %d of them /12", len(table), short)
		}
	case <-time.After(time.Minute):
		t.Fatal("it is not made in a minute")
	}
}

// Runs are the whole table in its order, each with a path of its own.
func TestRuns(t *testing.T) {
	t.Parallel()
	table := IPv4(1000, 1)
	var got []netip.Prefix
	paths := map[[3]uint32]bool{}
	for path, run := range Runs(table) {
		if paths[path] || len(run) != 9 && len(got)+len(run) < len(table) {
			t.Errorf("a run of %d with the path %v", len(run), path)
		}
		paths[path] = true
		got = append(got, run...)
	}
	if !slices.Equal(got, table) {
		t.Error("the runs are not the table")
	}
}
