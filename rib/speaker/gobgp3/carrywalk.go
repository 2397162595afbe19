package gobgp3

import (
	"encoding/binary"
	"iter"
	"maps"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// carryWalk goes through the destinations of some RDs, in GoBGP's tables of VPN routes and of
// EVPN, where VRFs are carried otherwise than before. The tables change while it is under way,
// which a map's iteration allows: what comes meanwhile is told of as ever.
type carryWalk struct {
	rds  map[rib.RD]bool
	next func() (speaker.Destination, bool)
	stop func()
}

// carryStep is how many destinations are looked at in one turn of the loop, some 0.2 ms.
const carryStep = 4096

func newCarryWalk(tables *bgpTables, rds map[rib.RD]bool) *carryWalk {
	w := &carryWalk{rds: rds}
	w.next, w.stop = iter.Pull(w.destinations(tables))
	return w
}

// destinations yields those of the RDs, and an invalid one for each other.
func (w *carryWalk) destinations(tables *bgpTables) iter.Seq[speaker.Destination] {
	return func(yield func(speaker.Destination) bool) {
		for _, f := range [...]bgp.RouteFamily{bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN, bgp.RF_EVPN} {
			t := tables.Tables[f]
			if t == nil {
				continue
			}
			for key, d := range maps.All(t.destinations) {
				if !yield(w.destination(f, key, d.nlri)) {
					return
				}
			}
		}
	}
}

// destination is one of a table, where it is of one of the RDs.
func (w *carryWalk) destination(f bgp.RouteFamily, key string, nlri bgp.AddrPrefixInterface) (d speaker.Destination) {
	if isVPN(f) { // the key begins with the RD
		if len(key) < 8 || !w.rds[rib.RD(binary.BigEndian.Uint64([]byte(key[:8])))] {
			return d
		}
	}
	rd, err := decodeRD(rdOf(nlri))
	if err != nil || !w.rds[rd] {
		return d
	}
	if prefix, err := innerPrefix(nlri); err == nil {
		return speaker.Destination{RD: rd, Prefix: prefix}
	}
	return d
}

// step calls put with some destinations, until it has enough, and tells whether there is more.
func (w *carryWalk) step(put func(speaker.Destination) (enough bool)) bool {
	for range carryStep {
		d, more := w.next()
		if !more {
			return false
		}
		if d.Prefix.IsValid() && put(d) {
			break
		}
	}
	return true
}
