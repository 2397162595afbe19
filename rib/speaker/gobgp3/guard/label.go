package guard

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Before each prefix of a VPN stands one label of three bytes, whose last bit says that it is the
// bottom of its stack (RFC 8277, 2.2). GoBGP looks for that bit, and where there is none takes the
// label for a part of the route distinguisher, and the prefix for none, without an error. Beside a
// Prefix-SID the bytes are bits of a SID, and it does not look (RFC 9252, 4).

// withdrawnLabel stands in a withdrawal (RFC 8277, 2.4).
var withdrawnLabel = [3]byte{0x80, 0, 0}

// isBottom tells whether a label is the bottom of its stack.
func isBottom(label [3]byte) bool { return label[2]&1 != 0 }

// plainLabel tells whether a prefix has one label, the bottom of its stack, or the label
// of a withdrawal (RFC 8277, 2.4), and a route distinguisher of a known type.
func plainLabel(b []byte, withdrawn bool) bool {
	label := [3]byte(b[:3])
	bottom := isBottom(label) || withdrawn && (label == withdrawnLabel || label == [3]byte{})
	return bottom && binary.BigEndian.Uint16(b[3:]) <= 2
}

// errNoBottom is of a message that GoBGP would read otherwise than it is meant.
var errNoBottom = errors.New("a label that is not the bottom of its stack, which GoBGP takes for a part of the route distinguisher (RFC 8277, 2.2)")

// unreadable tells whether GoBGP would take prefixes for others, because their labels have no bottom
// and there is no Prefix-SID beside them.
func (u *update) unreadable() bool {
	return u.bottomless && !slices.ContainsFunc(u.attrs, func(a attribute) bool {
		return bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_PREFIX_SID && !a.cut
	})
}

// asWithdrawn are prefixes with the label of a withdrawal: that of one means nothing, and may have no
// bottom.
func (l lot) asWithdrawn() []byte {
	out := slices.Clone(l.nlri)
	for b := out; len(b) > 0; b = b[l.size(b):] {
		copy(b[l.id+1:], withdrawnLabel[:])
	}
	return out
}
