package nexthop

import (
	"encoding/binary"
	"hash/fnv"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// The ids of our nexthop objects say what they are and for which table, so that
// a restarted worker finds each at the id that it would choose again, and two
// VRFs of one namespace keep out of each other's way:
//
//	0x40000000 or 0x50000000   a group, or a single nexthop
//	bit 29                     the table's number is above 4095
//	bits 16 to 27              the table: its number, or a hash of that
//	bits 0 to 15               a hash of what it stands for
//
// Both hashes can be equal for two tables, and for two groups of one: what the
// kernel has at an id is looked at before that is used.
const (
	// GroupBase and SingleBase are what the ids of groups and of single nexthops begin with.
	GroupBase  uint32 = 0x40000000
	SingleBase uint32 = 0x50000000
	baseMask   uint32 = 0xd0000000
	hashedTag  uint32 = 0x20000000
	tagMask    uint32 = 0x2fff0000
	hashMask   uint32 = 0x0000ffff
	// idTries is how many ids are tried from the natural one on.
	idTries = 64
)

// IDs knows which ids the VRFs of this daemon use, by namespace. It is safe for
// concurrent use.
type IDs struct {
	mu    sync.Mutex
	taken map[place]map[uint32]*Objects
}

// place is a namespace.
type place struct{ dev, inode uint64 }

func placeOf(w rib.Where) place { return place{w.Dev, w.Inode} }

// NewIDs returns a space of which no id is taken.
func NewIDs() *IDs { return &IDs{taken: make(map[place]map[uint32]*Objects)} }

// claim takes an id for a VRF. It is refused where somebody has it already, the VRF
// itself included.
func (s *IDs) claim(where rib.Where, id uint32, o *Objects) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.taken[placeOf(where)]
	if at[id] != nil {
		return false
	}
	if at == nil {
		at = make(map[uint32]*Objects)
		s.taken[placeOf(where)] = at
	}
	at[id] = o
	return true
}

func (s *IDs) release(where rib.Where, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.taken[placeOf(where)]
	if delete(at, id); len(at) == 0 {
		delete(s.taken, placeOf(where))
	}
}

func (s *IDs) owner(where rib.Where, id uint32) *Objects {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[placeOf(where)][id]
}

// Tag is the part of an object's id that says for which table it is.
func Tag(table uint32) uint32 {
	if table < 4096 {
		return table << 16
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], table)
	return hashedTag | hash32(b[:])<<16&tagMask
}

// GroupID is the id of the group of these nexthops where nobody else has it.
func GroupID(table uint32, f rib.Family, members ...Member) uint32 {
	return GroupBase | Tag(table) | hash32(appendKey(nil, f, members))&hashMask
}

func hash32(b []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(b) // a hash.Hash never fails
	s := h.Sum32()
	return s ^ s>>16
}

// appendHop appends what makes two single nexthops different.
func appendHop(b []byte, h rib.Hop, ipv6 bool) []byte {
	if b = h.AppendKey(b); ipv6 {
		b = append(b, '6')
	}
	return b
}
