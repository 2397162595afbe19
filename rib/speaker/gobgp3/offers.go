package gobgp3

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// offering looks into what neighbours sent, for a prefix that BGP does not have of them.
type offering struct {
	*loop
	decoder *decoder
	words   conf.Words
	log     *logger
	found   []rib.Offer
}

// offers is Speaker.Offers.
func (t *tables) offers(vrf string, prefix netip.Prefix) (found []rib.Offer, err error) {
	w, _ := t.feeder.current()
	if t.server() == nil || w == nil {
		return nil, nil
	}
	c := t.inForce()
	o := &offering{loop: t.loop, decoder: newDecoder(c, t.feeder.keeper.names), words: c.Words, log: t.log}
	var rds []rib.RD
	if vrf != speaker.Default {
		rds = rdsOf(c, w)
	}
	err = o.inLoop(func() error {
		for _, p := range o.peers() {
			if p.judgedBy() == vrf { // none does what a route server's clients send
				o.look(p, vrf, nlriOf(prefix, nil))
			}
		}
		return nil
	})
	for some := range slices.Chunk(rds, rdsAtOnce) {
		err = errors.Join(err, o.inLoop(func() error {
			for _, p := range o.peers() {
				if p.judgedBy() == speaker.Default {
					o.lookForVPN(p, prefix, some)
				}
			}
			return nil
		}))
	}
	if err != nil {
		return nil, fmt.Errorf("look %s up in what neighbours sent: %w", prefix, err)
	}
	return o.found, nil
}

// lookForVPN looks for VPN routes of a prefix, and for those by EVPN, that another PE sent.
func (o *offering) lookForVPN(p livePeer, prefix netip.Prefix, rds []rib.RD) {
	sent := p.adjIn().table
	unicast := nlriOf(prefix, nil)
	vpn, evpn := sent[vpnOf(bgp.AfiSafiToRouteFamily(unicast.AFI(), unicast.SAFI()))] != nil, sent[bgp.RF_EVPN] != nil
	if !vpn && !evpn {
		return // neighbours are many, and so are RDs
	}
	for _, rd := range rds {
		native := nativeRD(rd)
		if vpn {
			o.look(p, speaker.Default, nlriOf(prefix, &bgpVRF{Rd: native}))
		}
		if evpn {
			o.look(p, speaker.Default, evpnNLRI(native, prefix, 0))
		}
	}
}

// look looks into what one neighbour, in a VRF or in none, sent of one destination.
func (o *offering) look(p livePeer, vrf string, nlri bgp.AddrPrefixInterface) {
	family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
	adj := p.adjIn().table[family]
	if adj == nil {
		return
	}
	d := adj.destinations[tableKey(adj, nlri)]
	if d == nil {
		return
	}
	for _, sent := range d.knownPathList {
		as := sent
		if vrf != speaker.Default {
			of := o.rib().Vrfs[vrf]
			if of == nil {
				return
			}
			as = pathToGlobal(sent, of)
		}
		unusable := noCandidate(as.origin().nlri) // BGP has it all the same
		if unusable == nil && o.has(as) {
			continue
		}
		to, label, err := o.decoder.destination(as.origin().nlri)
		if err != nil {
			continue
		}
		path, _, err := o.decoder.path(as, 0, to, label)
		if err != nil {
			continue // nothing can be said of whose it is
		}
		offer := rib.Offer{Path: path}
		if unusable != nil {
			offer.Reason = unusable.Error()
		} else {
			offer.Reason = o.why(p, sent, as)
		}
		o.found = append(o.found, offer)
	}
}

// has tells whether a path is in the table into which it leads.
func (o *offering) has(p *bgpPath) bool {
	nlri := p.origin().nlri
	t := o.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
	if t == nil {
		return false
	}
	d := t.destinations[tableKey(t, nlri)]
	if d == nil {
		return false
	}
	for _, known := range d.knownPathList {
		k := known.origin()
		if k.source == p.origin().source && k.nlri.PathIdentifier() == nlri.PathIdentifier() {
			return true
		}
	}
	return false
}

// why is why GoBGP did not take what a neighbour sent: as it was sent, and as it would be in
// the table. It asks the policies what GoBGP asks them (propagateUpdate in
// pkg/server/server.go).
func (o *offering) why(p livePeer, sent, as *bgpPath) string {
	if sent.rejected {
		return "its AS path, or another attribute against loops, says that it came by here before"
	}
	options := &bgpPolicyOptions{Info: *p.peerInfo.in(p.fsm), Validate: validating(o.loop)}
	policies := *o.policy.in(unsafe.Pointer(o.server()))
	h := hear(o.loop, policies, conf.GlobalTable, inwards, o.words, as, options, o.log)
	if !h.rejected {
		return ""
	}
	return h.by + " rejects it"
}
