package policy

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// prefixSet is a set of prefixes with the lengths that are meant in each: a trie of a family in
// which each node is a prefix of the set, or the first difference of some. To tell whether it
// has a prefix takes as many steps as prefixes of the set are nested in each other, and some
// for where they part; there is no list to walk.
type prefixSet struct {
	roots [rib.Families][]trieNode // the first one is the root; empty: there are none
}

// trieNode is in one slice with the others, so that a step is a load and no pointer is followed
// by the garbage collector.
type trieNode struct {
	key     address
	bits    uint8 // of key
	terms   bool  // lengths has some: the node is a prefix of the set
	lengths lengths
	child   [2]int32 // by the bit behind key; 0: none
}

// address is one of either family, the first bit the highest one.
type address struct{ hi, lo uint64 }

// lengths is a set of prefix lengths, from 0 to 128.
type lengths [3]uint64

func (l *lengths) add(least, most int) {
	for n := least; n <= most; n++ {
		l[n/64] |= 1 << (n % 64)
	}
}

func (l *lengths) has(n uint8) bool { return l[n/64]&(1<<(n%64)) != 0 }

func addressOf(a netip.Addr) address {
	if a.Is4() {
		b := a.As4()
		return address{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// bit is the one behind the first n.
func (k address) bit(n uint8) int {
	if n < 64 {
		return int(k.hi >> (63 - n) & 1)
	}
	return int(k.lo >> (127 - n) & 1)
}

// common is how many bits the two begin with in common.
func (k address) common(o address) uint8 {
	if d := k.hi ^ o.hi; d != 0 {
		return uint8(bits.LeadingZeros64(d))
	}
	return 64 + uint8(bits.LeadingZeros64(k.lo^o.lo))
}

// head is k with all bits behind the first n cleared.
func (k address) head(n uint8) address {
	switch {
	case n >= 128:
		return k
	case n >= 64:
		return address{k.hi, k.lo &^ (1<<(128-n) - 1)}
	case n == 0:
		return address{}
	}
	return address{k.hi &^ (1<<(64-n) - 1), 0}
}

func newPrefixSet(list []Prefix) *prefixSet {
	s := new(prefixSet)
	for _, p := range list {
		s.add(p)
	}
	return s
}

// add adds one prefix. The root is the prefix of length 0, of the set or not.
func (s *prefixSet) add(p Prefix) {
	f := rib.FamilyOf(p.Prefix)
	if len(s.roots[f]) == 0 {
		s.roots[f] = []trieNode{{}}
	}
	k, n := addressOf(p.Prefix.Addr()), uint8(p.Prefix.Bits())
	at := int32(0)
	for {
		node := &s.roots[f][at]
		if node.bits == n { // and the keys are the same so far
			node.terms = true
			node.lengths.add(p.Ge, p.Le)
			return
		}
		side := k.bit(node.bits)
		next := node.child[side]
		if next == 0 {
			node.child[side] = s.push(f, k, n)
			continue // it is found now, and given its lengths
		}
		below := s.roots[f][next]
		same := min(k.common(below.key), n, below.bits)
		if same == below.bits {
			at = next
			continue
		}
		between := s.push(f, k.head(same), same)
		s.roots[f][at].child[side] = between
		s.roots[f][between].child[below.key.bit(same)] = next
		at = between
	}
}

func (s *prefixSet) push(f rib.Family, k address, n uint8) int32 {
	s.roots[f] = append(s.roots[f], trieNode{key: k, bits: n})
	return int32(len(s.roots[f]) - 1)
}

// has tells whether a prefix is meant: one of the set covers it, or is it, and its length is
// within what is meant there.
func (s *prefixSet) has(p netip.Prefix) bool {
	nodes := s.roots[rib.FamilyOf(p)]
	if len(nodes) == 0 {
		return false
	}
	k, n := addressOf(p.Addr()), uint8(p.Bits())
	at := int32(0)
	for {
		node := &nodes[at]
		if node.bits > n || k.common(node.key) < node.bits {
			return false
		}
		if node.terms && node.lengths.has(n) {
			return true
		}
		if node.bits == n {
			return false
		}
		if at = node.child[k.bit(node.bits)]; at == 0 {
			return false
		}
	}
}
