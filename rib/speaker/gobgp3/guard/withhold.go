package guard

import (
	"encoding/binary"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// A neighbour that is told of a whole table in parts would have its End-of-RIB from GoBGP before the
// first of them. So that one is kept from it, and another follows the last part.

// withheld are the families of which the next End-of-RIB does not go out.
type withheld struct {
	mu       sync.Mutex
	families map[bgp.RouteFamily]int // guarded by mu; how many of each
}

func (w *withheld) add(families []bgp.RouteFamily) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.families == nil {
		w.families = make(map[bgp.RouteFamily]int, len(families))
	}
	for _, f := range families {
		w.families[f]++
	}
}

func (w *withheld) remove(families []bgp.RouteFamily) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range families {
		w.families[f] = max(0, w.families[f]-1)
	}
}

// takes tells whether a message of GoBGP's does not go out.
func (w *withheld) takes(m []byte) bool {
	family, is := endOfRIB(m)
	if !is {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.families[family] == 0 {
		return false
	}
	w.families[family]--
	return true
}

// endOfRIB tells whether a message is one, and of which family (RFC 4724, 2).
func endOfRIB(m []byte) (bgp.RouteFamily, bool) {
	const (
		four = headerSize + 4 // nothing withdrawn, no attributes
		any  = four + 3 + 3   // an MP_UNREACH_NLRI without a route
		long = any + 1        // with two bytes of length
		kind = four + 1       // of the attribute
		size = headerSize + 2 // of all attributes
		none = uint16(0)      // withdrawn routes
	)
	if len(m) != four && len(m) != any && len(m) != long || m[18] != bgp.BGP_MSG_UPDATE || binary.BigEndian.Uint16(m[headerSize:]) != none {
		return 0, false
	}
	if len(m) == four {
		return bgp.RF_IPv4_UC, true
	}
	if m[kind] != kindUnreach || int(binary.BigEndian.Uint16(m[size:])) != len(m)-four {
		return 0, false
	}
	value := m[len(m)-3:]
	return bgp.AfiSafiToRouteFamily(binary.BigEndian.Uint16(value), value[2]), true
}
