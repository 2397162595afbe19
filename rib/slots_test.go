package rib

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"
)

// TestSlotsKeySize: a full table has a million of them.
func TestSlotsKeySize(t *testing.T) {
	if n := unsafe.Sizeof(lowKey{}); n > 8 {
		t.Errorf("what is kept of every prefix has %d bytes", n)
	}
}

// TestSlotsInternPrefixes compares the slots with a map, while prefixes of both families
// come and go.
func TestSlotsInternPrefixes(t *testing.T) {
	var s slots
	s.begin()
	have := map[netip.Prefix]Slot{}
	r := rand.New(rand.NewPCG(9, 10))
	random := func() netip.Prefix {
		last := byte(r.IntN(64))
		switch r.IntN(3) {
		case 0:
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(8)), last}), 8+r.IntN(25))
		case 1: // the same last 4 bytes, and other first ones
			return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 3: byte(r.IntN(4)), 15: last}), 128)
		}
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: last}), 128) // IPv4-mapped, which is not IPv4
	}
	most := 0
	for step := range 50_000 {
		p := random()
		want, there := have[p]
		if got, found := s.find(pack(p)); found != there || found && got != want {
			t.Fatalf("step %d: %s is at %d, %t; want %d, %t", step, p, got, found, want, there)
		}
		switch {
		case !there && (step < 25_000 || r.IntN(3) == 0):
			slot := s.add(pack(p))
			have[p] = slot
			if s.family(slot) != FamilyOf(p) || s.key(slot).prefix() != p || slot >= s.end() {
				t.Fatalf("step %d: %s is at %d as %s, and the end is %d", step, p, slot, s.key(slot).prefix(), s.end())
			}
		case there:
			delete(have, p)
			if last := s.remove(want); last != (len(have) == 0) {
				t.Fatalf("step %d: %d are left, and the last one went: %t", step, len(have), last)
			}
		}
		most = max(most, len(have))
	}
	seen := map[Slot]netip.Prefix{}
	for p, slot := range have {
		if other, twice := seen[slot]; twice {
			t.Errorf("%s and %s are both at %d", p, other, slot)
		}
		if seen[slot] = p; s.key(slot).prefix() != p {
			t.Errorf("%d is of %s, not of %s", slot, s.key(slot).prefix(), p)
		}
	}
	if room := int(s.end()); room > most+8*slotChunk {
		t.Errorf("there is room for %d prefixes, and there were %d at most", room, most)
	}
	for p, slot := range have {
		delete(have, p)
		if last := s.remove(slot); last != (len(have) == 0) {
			t.Errorf("%d are left, and the last one went: %t", len(have), last)
		}
	}
	if s.end() != 0 || s.low.chunks != nil || s.high.chunks != nil || s.free[IPv4] != nil || s.free[IPv6] != nil {
		t.Errorf("emptied, and there is room for %d", s.end())
	}
}
