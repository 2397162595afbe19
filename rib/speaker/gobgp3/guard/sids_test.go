package guard

import (
	"bytes"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestSiftSIDs: of a Prefix-SID with parts that GoBGP does not survive the SID stays, and those are
// taken out and said; one that is malformed goes whole, and the route stays.
func TestSiftSIDs(t *testing.T) {
	t.Parallel()
	const kind = byte(bgp.BGP_ATTR_TYPE_PREFIX_SID)
	sid := slices.Concat([]byte{0, 0xfd, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0}, []byte{0, 0, 20, 0})
	structure := []byte{1, 0, 6, 40, 24, 16, 0, 0, 0}
	list := func(kind byte, parts ...[]byte) []byte {
		v := slices.Concat(parts...)
		return append([]byte{kind, 0, byte(len(v))}, v...)
	}
	service := func(parts ...[]byte) []byte { return list(5, append([][]byte{{0}}, parts...)...) }
	info := func(parts ...[]byte) []byte { return list(1, append([][]byte{sid}, parts...)...) }
	whole := service(info(structure))
	label := []byte{1, 0, 7, 0, 0, 0, 0, 0, 0, 9} // a label index (RFC 8669, 3.1)
	for name, tc := range map[string]struct{ from, want []byte }{
		"a part of a service":         {service(list(2, []byte{9}), info(structure)), whole},
		"behind the SID":              {service(info(structure), list(200, []byte{9, 9, 9, 9})), whole},
		"a part of a SID":             {service(list(2, []byte{9}), info(structure, list(7, []byte{1, 2, 3}))), whole},
		"a structure that is short":   {service(info(list(1, []byte{40}))), nil},
		"a structure that is longer":  {service(info(list(1, []byte{40, 24, 16, 0, 0, 0, 0}))), nil},
		"a structure of nothing":      {service(info(list(1))), nil},
		"a structure read elsewhere":  {service(info(list(1), structure)), nil},
		"a second structure longer":   {service(info(structure, list(1, make([]byte, 9)))), nil},
		"a SID that is short":         {service(list(1, []byte{1, 2})), nil},
		"beside a label index":        {slices.Concat(label, service(list(2, []byte{9}), info(structure))), slices.Concat(label, whole)},
		"longer than it is":           {slices.Concat(service(list(2, []byte{9}), info(structure)), []byte{5, 1}), nil},
		"a service of nothing":        {[]byte{5, 0, 0, 1, 0, 0}, nil},
		"a part longer than it is":    {[]byte{5, 0, 5, 0, 2, 0, 9, 0}, nil},
		"nothing that is not known":   {whole, whole},
		"nothing, and a label index":  {slices.Concat(label, whole), slices.Concat(label, whole)},
		"a service of the other kind": {list(6, []byte{0}, list(2, []byte{9}), info(structure)), list(6, []byte{0}, info(structure))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: inside, as: 65000, rehearsal: parses})
			x.send(announcement(nil, plainAttrs(attr(0xc0, kind, tc.from...)), n4))
			out := slices.Concat(x.until()...)
			if tc.want != nil && !bytes.Contains(out, attr(0xc0, kind, tc.want...)) || tc.want == nil && bytes.Contains(out, []byte{0xc0, kind}) || !bytes.HasSuffix(out, n4) {
				t.Errorf("GoBGP gets %x", out)
			}
			if changed := !bytes.Equal(tc.from, tc.want); (x.count(Discarded) > 0) != changed {
				t.Errorf("counted: %v", x.guard.Reports()[0].Counts)
			}
		})
	}
}

// FuzzSiftSIDs: what is left of a list is one, and is left as it is the next time.
func FuzzSiftSIDs(f *testing.F) {
	f.Add(prefixSID[3:])
	f.Add([]byte{5, 0, 5, 0, 2, 0, 1, 0})
	f.Fuzz(func(t *testing.T, list []byte) {
		rest, ok := sifted(list, service)
		again, still := sifted(rest, service)
		if !ok && rest != nil || ok && (!still || !bytes.Equal(rest, again) || len(rest) > len(list)) {
			t.Errorf("of %x %x is left, and of that %x", list, rest, again)
		}
	})
}
