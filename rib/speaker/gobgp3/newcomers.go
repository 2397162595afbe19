package gobgp3

import (
	"net"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// newcomers makes the destinations that a message needs before GoBGP does. GoBGP fills a map for its
// log with each that it makes, whatever its log's level: more bytes than the destination has, and a quarter
// of all that a full table leaves to the collector. One of adj-RIB-in gets the bitmap of identifiers
// that all there share: no path takes an identifier there.
type newcomers struct {
	made  []newcomer // for the message in hand
	room  []byte     // for a key
	lends bool       // routes of EVPN in the message in hand have their texts with them
	texts texts
}

// newcomer is a destination that was made before it has a path.
type newcomer struct {
	table *bgpTable
	key   string
	of    *bgpDestination
}

// noIdentifiers is the bitmap of every destination of an adj-RIB-in.
var noIdentifiers = new(bgpBitmap)

// sentDestination is one of an adj-RIB-in, and ownDestination one of GoBGP's own tables, each with what it
// needs for its first path in the same piece of memory. It fills that to the byte.
type sentDestination struct {
	bgpDestination
	first [1]*bgpPath
}

type ownDestination struct {
	bgpDestination
	first       [1]*bgpPath
	identifiers bgpBitmap
	firsts      [1]uint64
}

func newSentDestination(family bgp.RouteFamily, nlri bgp.AddrPrefixInterface) *bgpDestination {
	d := &sentDestination{bgpDestination: bgpDestination{routeFamily: family, nlri: nlri, localIdMap: noIdentifiers}}
	d.knownPathList = d.first[:0]
	return &d.bgpDestination
}

func newOwnDestination(family bgp.RouteFamily, nlri bgp.AddrPrefixInterface) *bgpDestination {
	d := &ownDestination{bgpDestination: bgpDestination{routeFamily: family, nlri: nlri}, firsts: [1]uint64{1}} // 0 is no identifier
	d.knownPathList, d.identifiers.bitmap = d.first[:0], d.firsts[:]
	d.localIdMap = &d.identifiers
	return &d.bgpDestination
}

// expect makes the destinations of an UPDATE of a neighbour that are not there. overheard says that
// others may read its routes before GoBGP does. sees is called for each of GoBGP's own, with nil where it is not there.
func (n *newcomers) expect(p livePeer, tables *bgpTables, u *bgp.BGPUpdate, overheard func() bool, sees func(*bgpTable, *bgpDestination)) {
	in, own := p.adjIn(), false
	p.read(func(conf *oc.Neighbor, state bgp.FSMState) {
		own = conf.Config.Vrf == "" && !conf.RouteServer.Config.RouteServerClient
		if state != bgp.BGP_FSM_ESTABLISHED {
			in = nil
		}
	})
	if in == nil {
		return // GoBGP is about to drop the message
	}
	tablesOf := func(f bgp.RouteFamily) (adj, global *bgpTable) {
		if own {
			global = tables.Tables[f]
		}
		return in.table[f], global
	}
	if len(u.NLRI) > 0 {
		adj, global := tablesOf(bgp.RF_IPv4_UC)
		for _, nlri := range u.NLRI {
			n.add(adj, global, nlri, sees)
		}
	}
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			family := bgp.AfiSafiToRouteFamily(a.AFI, a.SAFI)
			n.lends = family == bgp.RF_EVPN && !overheard()
			if adj, global := tablesOf(family); adj != nil {
				for _, nlri := range a.Value {
					n.add(adj, global, nlri, sees)
				}
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			if a.AFI == bgp.AFI_L2VPN && !overheard() {
				n.lendAll(a.Value)
			}
		}
	}
}

// lendAll has routes of EVPN that are withdrawn say their texts.
func (n *newcomers) lendAll(list []bgp.AddrPrefixInterface) {
	for _, nlri := range list {
		if r := ipPrefixOf(nlri); r != nil {
			n.room = appendIPPrefixKey(n.room[:0], r)
			n.texts.lend(nlri.(*bgp.EVPNNLRI), r, string(n.room))
		}
	}
}

// add makes the destinations of an NLRI of a kind whose routes lead into kernel tables. Others, of which
// GoBGP has some in an index besides, are left to it.
func (n *newcomers) add(adj, global *bgpTable, nlri bgp.AddrPrefixInterface, sees func(*bgpTable, *bgpDestination)) {
	key := n.room[:0]
	var lent *bgp.EVPNIPPrefixRoute
	switch nlri := nlri.(type) {
	case *bgp.IPAddrPrefix:
		key = append(append(key, nlri.Prefix.To4()...), nlri.Length)
	case *bgp.IPv6AddrPrefix:
		key = append(append(key, nlri.Prefix.To16()...), nlri.Length)
	case *bgp.LabeledVPNIPAddrPrefix, *bgp.LabeledVPNIPv6AddrPrefix:
		key = append(key, tableKey(adj, nlri)...)
	case *bgp.EVPNNLRI:
		if r := ipPrefixOf(nlri); r != nil {
			key = appendIPPrefixKey(key, r)
			if n.lends {
				lent = r
			}
		}
	}
	if len(key) < 1+net.IPv4len { // of another kind, or without an address
		return
	}
	n.room = key
	comes := adj.destinations[string(key)] == nil
	comesToAll := false
	if global != nil {
		d := global.destinations[string(key)]
		comesToAll = d == nil
		sees(global, d)
	}
	if !comes && !comesToAll && lent == nil {
		return
	}
	family, text := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI()), string(key)
	if comes {
		n.put(adj, text, newSentDestination(family, nlri))
	}
	if comesToAll {
		n.put(global, text, newOwnDestination(family, nlri))
	}
	if lent != nil {
		n.texts.lend(nlri.(*bgp.EVPNNLRI), lent, text)
	}
}

func (n *newcomers) put(t *bgpTable, key string, d *bgpDestination) {
	t.destinations[key] = d
	n.made = append(n.made, newcomer{t, key, d})
}

// after takes out those that the message left without a path: a policy rejected it, or GoBGP did the
// message.
func (n *newcomers) after() {
	n.texts.takeBack()
	for _, m := range n.made {
		if len(m.of.knownPathList) == 0 && m.table.destinations[m.key] == m.of {
			free(m.table, m.of)
		}
	}
	clear(n.made)
	n.made = n.made[:0]
}

// free has GoBGP forget a destination without a path, which it does not while an
// identifier counts as used.
func free(t *bgpTable, d *bgpDestination) {
	if bits := d.localIdMap.bitmap; len(bits) > 0 {
		d.localIdMap.bitmap = []uint64{1}
	}
	tableDeleteDest(t, d)
}
