package gobgp3

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// routebook has the VPN routes that GoBGP has, by route distinguisher, and says by which route
// distinguishers a route target comes: so what a new VRF imports is found without going through the
// routes of all others. It has one user at a time.
type routebook struct {
	of map[rib.RD]*bookedRD
	by map[rib.RT]map[rib.RD]struct{}
}

// bookedRD are the routes of a route distinguisher.
type bookedRD struct {
	nlris map[netip.Prefix]bgp.AddrPrefixInterface
	// rts are the route targets that one of them has, or had: they are forgotten with the last route.
	rts map[rib.RT]struct{}
}

func newRoutebook() *routebook {
	return &routebook{make(map[rib.RD]*bookedRD), make(map[rib.RT]map[rib.RD]struct{})}
}

// note notes that there is a route.
func (b *routebook) note(d speaker.Destination, nlri bgp.AddrPrefixInterface) {
	if !booked(d) {
		return
	}
	is := b.of[d.RD]
	if is == nil {
		is = &bookedRD{make(map[netip.Prefix]bgp.AddrPrefixInterface), make(map[rib.RT]struct{})}
		b.of[d.RD] = is
	}
	is.nlris[d.Prefix] = nlri
}

// target notes by which route targets a path of a route that was noted comes.
func (b *routebook) target(d speaker.Destination, rts []rib.RT) {
	if !booked(d) {
		return
	}
	is := b.of[d.RD]
	for _, rt := range rts {
		if _, known := is.rts[rt]; known {
			continue
		}
		is.rts[rt] = struct{}{}
		if b.by[rt] == nil {
			b.by[rt] = make(map[rib.RD]struct{})
		}
		b.by[rt][d.RD] = struct{}{}
	}
}

// forget notes that a route is gone.
func (b *routebook) forget(d speaker.Destination) {
	is := b.of[d.RD]
	if !booked(d) || is == nil {
		return
	}
	if delete(is.nlris, d.Prefix); len(is.nlris) > 0 {
		return
	}
	delete(b.of, d.RD)
	for rt := range is.rts {
		if delete(b.by[rt], d.RD); len(b.by[rt]) == 0 {
			delete(b.by, rt)
		}
	}
}

// booked tells whether a destination is one of VPN routes.
func booked(d speaker.Destination) bool { return d.RD != 0 && !d.EVPN }

// within are all routes of some route distinguishers, and of those by which some route targets come.
func (b *routebook) within(of map[rib.RD]struct{}, by map[rib.RT]struct{}) (list []bgp.AddrPrefixInterface) {
	rds := maps.Clone(of)
	if rds == nil {
		rds = make(map[rib.RD]struct{})
	}
	for rt := range by {
		maps.Copy(rds, b.by[rt])
	}
	for rd := range rds {
		if is := b.of[rd]; is != nil {
			list = slices.AppendSeq(list, maps.Values(is.nlris))
		}
	}
	return list
}
