package config

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// sameNamespace tells whether two are one namespace by two names.
func (s *Sight) sameNamespace(other *Sight) bool {
	return !s.Device && !other.Device && s.Inode != 0 && s.Dev == other.Dev && s.Inode == other.Inode
}

// binds tells whether a VRF is bound to what a tenant would be.
func (h *holder) binds(s *Sight, sights []Sight) bool {
	if s.Device {
		return h.netns == "" && h.device == s.Name
	}
	if h.netns == "" {
		return false
	}
	if rib.SameNetns(h.netns, s.Name) {
		return true
	}
	return slices.ContainsFunc(sights, func(other Sight) bool {
		return !other.Device && rib.SameNetns(h.netns, other.Name) && s.sameNamespace(&other)
	})
}

// TestHoldings: what tenants make room for is what it is when each is compared with each VRF and each
// other, one by one.
func TestHoldings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func(of string, n int) string { return fmt.Sprint(of, r.IntN(n)) }
	for range 500 {
		var sights []Sight
		for range r.IntN(12) {
			s := Sight{Name: some("n", 8), Device: r.IntN(4) == 0}
			if !s.Device {
				s.Dev, s.Inode = 1, uint64(r.IntN(5))
			}
			sights = append(sights, s)
		}
		var holders []holder
		for range r.IntN(8) {
			h := holder{name: some("n", 8), applied: r.IntN(2) == 0}
			switch r.IntN(4) {
			case 0:
				h.netns = some("n", 8)
			case 1:
				h.netns = rib.NetnsDir + "/" + some("n", 8)
			case 2:
				h.device = some("n", 8)
			}
			holders = append(holders, h)
		}
		held, taken, before := heldBy(holders, sights), newTakings(), []*Sight(nil)
		for i := range sights {
			s := &sights[i]
			want := s.Name == vrf.Default || slices.ContainsFunc(holders, func(h holder) bool {
				return h.name == s.Name && h.file() || h.name != s.Name && h.binds(s, sights)
			})
			if got := held.has(s); got != want {
				t.Fatalf("%+v is held: %v, want %v, by %+v of %+v", *s, got, want, holders, sights)
			}
			want = !slices.ContainsFunc(before, func(other *Sight) bool { return other.Name == s.Name || s.sameNamespace(other) })
			if got := taken.take(s); got != want {
				t.Fatalf("%+v is taken: %v, want %v, after %+v", *s, got, want, before)
			}
			if want {
				before = append(before, s)
			}
		}
	}
}

// BenchmarkTemplates reads a file of which a template matches as many namespaces as there may be.
func BenchmarkTemplates(b *testing.B) {
	for _, n := range []int{500, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var sights []Sight
			for i := range n {
				sights = append(sights, Sight{Name: fmt.Sprint("tenant-", i), Dev: 1, Inode: uint64(i + 1)})
			}
			file := []byte(strings.Replace(tenantTemplate, "1000-1002", "1000-9999", 1))
			layers := (*Layers)(nil).Over(presenceOf(sights, nil, time.Time{}, false))
			for b.Loop() {
				if _, err := ParseUnder("f.toml", file, layers, fakeBGP()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
