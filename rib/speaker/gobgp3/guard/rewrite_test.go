package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// TestTwoByteSessions: on a session with AS numbers of two bytes GoBGP gets four, where
// it would guess, and an AS4_PATH behind the AS_PATH, where it would fall.
func TestTwoByteSessions(t *testing.T) {
	t.Parallel()
	two := func(as ...uint16) []byte {
		v := []byte{2, byte(len(as))}
		for _, n := range as {
			v = binary.BigEndian.AppendUint16(v, n)
		}
		return attr(0x40, 2, v...)
	}
	for name, tc := range map[string]struct {
		as    uint32
		attrs []byte
		path  string // "": withdrawn
		kinds []int
	}{
		"plain":          {65002, slices.Concat(origin, two(65002, 65003), nexthop), "65002 65003", []int{1, 2, 3}},
		"a guess":        {65002, slices.Concat(origin, attr(0x40, 2, 2, 1, 0xfd, 0xea, 2, 1, 1, 1, 1, 1, 0, 9), nexthop), "65002 257 {9}", []int{1, 2, 3}},
		"AS4_PATH first": {65002, slices.Concat(attr(0xc0, 17, 2, 1, 0, 1, 0, 1), origin, two(65002, 23456), nexthop), "65002 23456", []int{1, 2, 3, 17}},
		"AGGREGATOR":     {65002, slices.Concat(origin, two(65002), nexthop, attr(0xc0, 7, 0, 1, 1, 1, 1, 1)), "65002", []int{1, 2, 3, 7}},
		"AS_TRANS first": {70000, slices.Concat(origin, two(23456), nexthop), "23456", []int{1, 2, 3}},
		// A malformed AS4_PATH is discarded alone, also where it names us.
		"AS4_PATH cut":         {65002, slices.Concat(origin, two(65002, 23456), nexthop, attr(0xc0, 17, 2, 2, 0, 3, 0, 0)), "65002 23456", []int{1, 2, 3}},
		"AS4_PATH, odd":        {65002, slices.Concat(origin, two(65002, 23456), nexthop, attr(0xc0, 17, 9, 1, 0, 1, 0, 0)), "65002 23456", []int{1, 2, 3}},
		"AS4_PATH, no ASes":    {65002, slices.Concat(origin, two(65002, 23456), nexthop, attr(0xc0, 17, 2, 0)), "65002 23456", []int{1, 2, 3}},
		"AS4_PATH, a member's": {65002, slices.Concat(origin, two(65002, 23456), nexthop, attr(0xc0, 17, 3, 1, 0, 1, 0, 0)), "65002 23456", []int{1, 2, 3}},
		"our AS":               {65002, slices.Concat(origin, two(65002, 65000), nexthop), "", nil},
		"our long AS":          {65002, slices.Concat(origin, two(65002, 23456), nexthop, attr(0xc0, 17, 2, 1, 0, 3, 0, 0)), "", nil},
		"AS 0":                 {65002, slices.Concat(origin, two(65002, 0), nexthop), "", nil},
		"cut in the midst":     {65002, slices.Concat(origin, attr(0x40, 2, 2, 2, 0xfd, 0xea, 1), nexthop), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs := families(all...)
			if tc.as > 0xffff {
				theirs = fourByte(tc.as, all...)
			}
			x := established(t, setup{
				rules: Rules{OwnASes: []uint32{65000, 3 << 16}, Terms: rib.DefaultTerms()},
				as:    tc.as, ours: families(all...), theirs: theirs,
			})
			x.send(announcement(nil, tc.attrs, n4))
			h := x.hear()
			if tc.path == "" {
				if len(h.announced) != 0 || len(h.withdrawn) != 1 {
					t.Errorf("got %+v", h)
				}
				return
			}
			if len(h.announced) != 1 || !slices.Equal(h.kinds, tc.kinds) || h.path != tc.path {
				t.Errorf("got %+v, want the path %q and attributes %v", h, tc.path, tc.kinds)
			}
		})
	}
}

// TestSplit: GoBGP gets no more than 64 prefixes at a time, and withdrawals first.
func TestSplit(t *testing.T) {
	t.Parallel()
	var many, gone, six []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		gone = append(gone, fmt.Sprintf("11.%d.%d.0/24", i/256, i%256))
		if i < 120 {
			six = append(six, fmt.Sprintf("2001:db8:%x::/48", i+1))
		}
	}
	x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}})
	x.send(announcement(nlri(gone...), plainAttrs(attr(0x80, 4, 0, 0, 0, 7)), nlri(many...)))
	h := x.hear()
	if !slices.Equal(h.announced, many) || !slices.Equal(h.withdrawn, gone) || h.messages != 10 || !slices.Equal(h.kinds, []int{1, 2, 3, 4}) {
		t.Errorf("%d messages, %d announced, %d withdrawn, attributes %v", h.messages, len(h.announced), len(h.withdrawn), h.kinds)
	}
	x.send(announcement(nil, plainAttrs(reach6(six...)), nil))
	if h := x.hear(); !slices.Equal(h.announced, six) || h.messages != 2 {
		t.Errorf("IPv6: %d messages, %d announced", h.messages, len(h.announced))
	}
	x.send(announcement(nil, attr(0x80, 15, append([]byte{0, 2, 1}, nlri(six...)...)...), nil))
	if h := x.hear(); !slices.Equal(h.withdrawn, six) || h.messages != 2 {
		t.Errorf("IPv6: %d messages, %d withdrawn", h.messages, len(h.withdrawn))
	}
}

// TestPassesAsItCame: what is plain is not touched, End-of-RIB of all families included.
func TestPassesAsItCame(t *testing.T) {
	t.Parallel()
	x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}})
	for _, m := range [][]byte{
		announcement(nil, nil, nil),
		announcement(nil, attr(0x80, 15, 0, 2, 1), nil),
		announcement(nil, attr(0x80, 15, 0, 1, 128), nil),
		announcement(nlri("10.0.0.0/8", "0.0.0.0/0"), nil, nil),
		announcement(nlri("10.0.0.0/8"), plainAttrs(attr(0xe0, 8, 0, 1, 0, 1), attr(0xd0, 32, make([]byte, 12)...)), nlri("10.1.0.0/16")),
		announcement(nil, plainAttrs(reachVPN("2001:db8:1::/48"), attr(0xc0, 16, rtB...)), nil),
	} {
		x.send(m)
		if got := x.read(); !bytes.Equal(got, m) {
			t.Errorf("got  %x\nsent %x", got, m)
		}
	}
	if r := x.guard.Reports()[0]; r.Plain != 6 || r.Rehearsed != 0 {
		t.Errorf("%+v", r)
	}
}

// TestAddPath: path identifiers stay with their prefixes.
func TestAddPath(t *testing.T) {
	t.Parallel()
	path := bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv4_UC, bgp.BGP_ADD_PATH_BOTH)})
	x := established(t, setup{
		rules: Rules{OwnASes: []uint32{65000}, Terms: rib.DefaultTerms()},
		ours:  append(fourByte(65000, all...), path), theirs: append(fourByte(65002, all...), path),
	})
	list := slices.Concat([]byte{0, 0, 0, 1}, nlri("10.8.0.0/16"), []byte{0, 0, 0, 2}, nlri("127.0.0.0/8"), []byte{0, 0, 0, 3}, nlri("10.8.0.0/16"))
	x.send(announcement(nil, plainAttrs(), list))
	if h := x.hear(); !slices.Equal(h.announced, []string{"10.8.0.0/16", "10.8.0.0/16"}) || !slices.Equal(h.withdrawn, []string{"127.0.0.0/8"}) {
		t.Errorf("got %+v", h)
	}
	x.send(announcement(nil, slices.Concat(origin, sequence(65002, 65000), nexthop), list))
	if h := x.hear(); len(h.withdrawn) != 3 || len(h.announced) != 0 {
		t.Errorf("got %+v", h)
	}
}

// TestLadder: what does not survive a rehearsal loses an attribute, else its routes, and
// else the session.
func TestLadder(t *testing.T) {
	t.Parallel()
	// bad is a rehearsal that does not survive an attribute, if need be in a panic.
	bad := func(kinds ...byte) Rehearsal {
		return func(m []byte, _ *Session) error {
			var u update
			if err := u.parse(m[headerSize:]); err != nil {
				return err
			}
			for _, a := range u.attrs {
				switch i := slices.Index(kinds, a.kind); {
				case i == 0:
					panic("no")
				case i > 0:
					return errors.New("no")
				}
			}
			return nil
		}
	}
	rules := Rules{Terms: rib.DefaultTerms()}
	flows := append(slices.Clone(all), bgp.RF_FS_IPv4_UC)
	routes := attr(0x80, 14, 0, 1, 133, 4, 127, 0, 0, 3, 0, 1, 2, 3, 4)
	for name, tc := range map[string]struct {
		rehearsal Rehearsal
		attrs     []byte
		nlri      []byte
		announced int
		withdrawn int
		kinds     []int
		ended     bool
	}{
		"survives":                     {bad(99), plainAttrs(attr(0xc0, 40, 1)), nlri("10.0.0.0/8"), 1, 0, []int{1, 2, 3, 40}, false},
		"one that can be done without": {bad(40), plainAttrs(attr(0xc0, 40, 1), attr(0x80, 26, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1)), nlri("10.0.0.0/8"), 1, 0, []int{1, 2, 3, 26}, false},
		"two of them":                  {bad(40, 26), plainAttrs(attr(0xc0, 40, 1), attr(0x80, 26, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1)), nlri("10.0.0.0/8"), 1, 0, []int{1, 2, 3}, false},
		"one that cannot":              {bad(25), plainAttrs(attr(0xc0, 25, 1)), nlri("10.0.0.0/8"), 0, 1, nil, false},
		"of IPv6":                      {bad(25), plainAttrs(attr(0xc0, 25, 1), reach6("2001:db8:1::/48")), nil, 0, 1, nil, false},
		"of an odd family":             {bad(14), plainAttrs(routes), nil, -1, -1, nil, false},
		"that can not be withdrawn":    {bad(14, 15), plainAttrs(routes), nil, 0, 0, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: rules, rehearsal: tc.rehearsal, ours: fourByte(65000, flows...), theirs: fourByte(65002, flows...)})
			x.send(announcement(nil, tc.attrs, tc.nlri))
			if tc.ended {
				if !x.ended() {
					t.Error("the session goes on")
				}
				if code, sub := x.notified(); code != 3 || sub != 10 {
					t.Errorf("NOTIFICATION %d/%d", code, sub)
				}
				return
			}
			if tc.announced < 0 { // GoBGP's parser cannot read it: it is withdrawn as it is
				want := announcement(nil, attr(0x80, 15, 0, 1, 133, 1, 2, 3, 4), nil)
				if got := x.read(); !bytes.Equal(got, want) {
					t.Errorf("got %x", got)
				}
				return
			}
			h := x.hear()
			if len(h.announced) != tc.announced || len(h.withdrawn) != tc.withdrawn || tc.announced > 0 && !slices.Equal(h.kinds, tc.kinds) {
				t.Errorf("got %+v", h)
			}
		})
	}
}

// TestNoRoom: attributes that fill a message once they are written out leave no prefix.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	var as []byte
	for range 7 {
		as = append(append(as, 2, 255), bytes.Repeat([]byte{0xfd, 0xea}, 255)...)
	}
	x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}, ours: families(all...), theirs: families(all...)})
	x.send(announcement(nil, slices.Concat(origin, attr(0x40, 2, as...), nexthop), nlri("10.0.0.0/8")))
	if h := x.hear(); len(h.withdrawn) != 1 || len(h.announced) != 0 {
		t.Errorf("got %+v", h)
	}
}
