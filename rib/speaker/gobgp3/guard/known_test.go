package guard

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestKnownAttributes: a Prefix-SID that survived a rehearsal is not rehearsed again in UPDATEs of
// the same family, whatever plain attributes are beside it; another one is, as is one beside
// something else that is odd, and one that did not survive each time.
func TestKnownAttributes(t *testing.T) {
	t.Parallel()
	const kind = byte(bgp.BGP_ATTR_TYPE_PREFIX_SID)
	sid := func(last byte) []byte {
		return attr(0xc0, kind, 5, 0, 25, 0, 1, 0, 21, 0, 0xfd, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, last, 0, 0, 20, 0)
	}
	unknown := attr(0x00, 200, 1) // well-known, and known to nobody
	med := attr(0x80, 4, 0, 0, 0, 9)
	for name, tc := range map[string]struct {
		sent      [][]byte
		dies      bool
		rehearsed uint64
	}{
		"the same":          {[][]byte{sid(1), sid(1), slices.Concat(med, sid(1))}, false, 1},
		"another":           {[][]byte{sid(1), sid(2), sid(1), sid(2)}, false, 2},
		"beside an odd one": {[][]byte{sid(1), slices.Concat(sid(1), unknown), sid(1)}, false, 2},
		"other flags":       {[][]byte{sid(1), slices.Concat([]byte{0xe0}, sid(1)[1:])}, false, 2},
		"does not survive":  {[][]byte{sid(1), sid(1)}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rehearsal := passes
			if tc.dies {
				rehearsal = func(m []byte, _ *Session) error {
					if bytes.Contains(m, sid(1)) {
						return errors.New("it is not understood")
					}
					return nil
				}
			}
			x := established(t, setup{rules: inside, as: 65000, rehearsal: rehearsal})
			for _, a := range tc.sent {
				x.send(announcement(nil, plainAttrs(a), n4))
			}
			x.until()
			if got := x.guard.Reports()[0].Rehearsed; got != tc.rehearsed {
				t.Errorf("%d UPDATEs are rehearsed, want %d", got, tc.rehearsed)
			}
		})
	}
}

// TestKnownOfAFamily: what survived with routes of one family is rehearsed with those of another,
// and a neighbour that sends new ones without end has a session know no more than it may.
func TestKnownOfAFamily(t *testing.T) {
	t.Parallel()
	var k known
	u := &update{attrs: []attribute{{flags: 0xc0, kind: byte(bgp.BGP_ATTR_TYPE_PREFIX_SID), value: []byte{1}, odd: true}}}
	u.reach.afi, u.reach.safi = bgp.AFI_IP, bgp.SAFI_MPLS_VPN
	k.add(u)
	if !k.has(u, &u.attrs[0]) {
		t.Error("it is not known")
	}
	u.reach.afi = bgp.AFI_IP6
	if k.has(u, &u.attrs[0]) {
		t.Error("it is known with routes of another family")
	}
	for i := range 3 * mostKnown {
		u.attrs[0].value = []byte{byte(i >> 16), byte(i >> 8), byte(i)}
		k.add(u)
		if len(k.seen) > mostKnown {
			t.Fatalf("%d are known", len(k.seen))
		}
	}
}
