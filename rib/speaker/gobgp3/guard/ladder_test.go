package guard

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestSift: of extended communities GoBGP gets those that it can read. Where those are
// not what is wrong, or there are too many to try, the route is withdrawn as before.
func TestSift(t *testing.T) {
	t.Parallel()
	target, unknown, odd := []byte{0, 2, 0xfd, 0xe8, 0, 0, 0, 1}, []byte{6, 4, 0, 0, 5, 0xdc, 0, 0}, []byte{0x43, 0, 0, 0, 0, 0, 0, 1}
	rehearsal := func(bad ...byte) Rehearsal {
		return func(m []byte, _ *Session) error {
			if bytes.Contains(m, bad) {
				return errors.New("unknown")
			}
			return nil
		}
	}
	for name, tc := range map[string]struct {
		rehearsal Rehearsal
		sent      []byte
		want      []byte // nil: it is withdrawn
		cut       uint64
	}{
		"one of three":   {rehearsal(unknown...), slices.Concat(target, unknown, odd), slices.Concat(target, odd), 1},
		"two":            {rehearsal(unknown...), slices.Concat(unknown, target, unknown), target, 2},
		"all":            {rehearsal(unknown...), unknown, []byte{}, 1},
		"something else": {rehearsal(0x40, 1, 1, 0), slices.Concat(target, odd), nil, 0},
		"too many":       {rehearsal(unknown...), slices.Concat(slices.Repeat(odd, mostSifted), unknown), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}, rehearsal: tc.rehearsal})
			x.send(announcement(nil, plainAttrs(attr(0xc0, 16, tc.sent...)), nlri("10.0.0.0/8")))
			want := announcement(nlri("10.0.0.0/8"), nil, nil)
			if tc.want != nil {
				var rest []byte
				if len(tc.want) > 0 {
					rest = attr(0xc0, 16, tc.want...)
				}
				want = announcement(nil, plainAttrs(rest), nlri("10.0.0.0/8"))
			}
			if got := x.read(); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
			if n := x.count(Discarded); n != tc.cut {
				t.Errorf("%d counted, want %d", n, tc.cut)
			}
		})
	}
}
