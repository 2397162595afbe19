package rib

import (
	"bytes"
	"testing"
	"unsafe"
)

// TestHopEquality: which field of a hop counts for what.
func TestHopEquality(t *testing.T) {
	base := Hop{Gateway: addr("192.0.2.1"), Ifindex: 2}
	with := func(change func(*Hop)) Hop { h := base; change(&h); return h }
	for name, tc := range map[string]struct {
		other          Hop
		equal, sameWay bool
	}{
		"itself":            {base, true, true},
		"another weight":    {with(func(h *Hop) { h.Weight = 7 }), true, true},
		"dead":              {with(func(h *Hop) { h.Dead = true }), true, true},
		"onlink":            {with(func(h *Hop) { h.OnLink = true }), false, true},
		"another gateway":   {with(func(h *Hop) { h.Gateway = addr("192.0.2.2") }), false, false},
		"no gateway":        {with(func(h *Hop) { h.Gateway = Hop{}.Gateway }), false, false},
		"encapsulated":      {with(func(h *Hop) { h.Encap = EncapOf(1) }), false, false},
		"another interface": {with(func(h *Hop) { h.Ifindex = 3 }), false, false},
	} {
		if got := base.Equal(tc.other); got != tc.equal || tc.other.Equal(base) != got {
			t.Errorf("%s: Equal is %t", name, got)
		}
		if got := base.SameWay(tc.other); got != tc.sameWay || tc.other.SameWay(base) != got {
			t.Errorf("%s: SameWay is %t", name, got)
		}
		if got := bytes.Equal(base.AppendKey(nil), tc.other.AppendKey(nil)); got != tc.equal {
			t.Errorf("%s: the keys are equal: %t, and the hops: %t", name, got, tc.equal)
		}
	}
}

// TestHopKeyStays: ids of objects that an earlier version left in the kernel are made of it.
func TestHopKeyStays(t *testing.T) {
	for want, h := range map[string]Hop{
		"\x00\x00\x00\x02192.0.2.1":  {Gateway: addr("192.0.2.1"), Ifindex: 2, Weight: 3, Dead: true},
		"\x00\x00\x01\x00fe80::1o":   {Gateway: addr("fe80::1"), Ifindex: 256, OnLink: true},
		"\x00\x00\x00\x02":           {Ifindex: 2},
		"x\x00\x00\x00\x02192.0.2.1": {Gateway: addr("192.0.2.1"), Ifindex: 2},
	} {
		var buf []byte
		if want[0] == 'x' {
			buf = []byte("x")
		}
		if got := string(h.AppendKey(buf)); got != want {
			t.Errorf("%+v: %q, want %q", h, got, want)
		}
	}
}

// TestHopSize: a hop is as large as the 48 bytes in which Go has room for one of 40.
func TestHopSize(t *testing.T) {
	if n := unsafe.Sizeof(Hop{}); n > 48 {
		t.Errorf("a hop has %d bytes", n)
	}
}
