package rib

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Labels is a stack of MPLS labels, the outermost first, each as four bytes in wire order. It is
// comparable, and the empty one has none.
type Labels string

// MPLS labels (RFC 3032, 2.1).
const (
	// ImplicitNull says that no label is to be there.
	ImplicitNull = 3
	// FirstLabel is the first that is nobody's by a standard.
	FirstLabel = 16
	MaxLabel   = 1<<20 - 1
)

// LabelStack is a stack of labels, the outermost first.
func LabelStack(labels ...uint32) Labels {
	b := make([]byte, 0, 4*len(labels))
	for _, l := range labels {
		b = binary.BigEndian.AppendUint32(b, l)
	}
	return Labels(b)
}

// All are the labels, the outermost first.
func (l Labels) All() []uint32 {
	list := make([]uint32, 0, l.Len())
	for b := []byte(l); len(b) >= 4; b = b[4:] {
		list = append(list, binary.BigEndian.Uint32(b))
	}
	return list
}

// Len is how many labels there are.
func (l Labels) Len() int { return len(l) / 4 }

// Ends tells whether the innermost labels of l are those of o.
func (l Labels) Ends(o Labels) bool { return strings.HasSuffix(string(l), string(o)) }

// String is the stack as `ip route` writes it: "16002/80".
func (l Labels) String() string {
	var b strings.Builder
	for i, label := range l.All() {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(strconv.FormatUint(uint64(label), 10))
	}
	return b.String()
}
