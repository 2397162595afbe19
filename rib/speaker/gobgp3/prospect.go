package gobgp3

import (
	"net/netip"
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// prospect is how GoBGP's tables would be under another configuration. Paths are made and
// judged as GoBGP does it (propagateUpdate in pkg/server/server.go): of what neighbours sent,
// by policies of GoBGP's own that are in force nowhere. Nothing in its tables is changed. It is
// for GoBGP's loop.
type prospect struct {
	*loop
	policies unsafe.Pointer          // a *table.RoutingPolicy
	as       uint32                  // ours
	vrfs     map[string]*bgpVRF      // as they would be
	ours     map[string]originated   // what originates here, by VRF, as far as that is another
	clients  bool                    // they are the tables of our route server, whose clients alone have a part in them
	lost     map[string]reload.Loss  // by neighbour
	anew     []string                // the neighbours whose paths are made anew
	gone     map[rib.RD]struct{}     // of VRFs that go or are made anew, with all that originates there
	homes    map[rib.RD]string       // of vrfs
	senders  []resender              // of this turn: those in anew
	from     map[*bgpPeer]departures // of this turn, by the source of paths
	options  bgpPolicyOptions        // used again: a full table is judged
	list     []*bgpPath              // likewise
	served   *bgpTables              // of this turn, where clients is set
}

// originated are announcements of a VRF; nil: it is withdrawn.
type originated map[netip.Prefix]*rib.Announcement

// departures are the paths of a neighbour that do not stay.
type departures struct {
	all   bool // what it sent is judged anew
	loss  reload.Loss
	inVRF bool
}

// spot is a destination of one of GoBGP's tables, or one that may come to be there.
type spot struct {
	place
	nlri  bgp.AddrPrefixInterface
	known []*bgpPath // GoBGP's own list
}

// resender is a neighbour whose paths are made anew.
type resender struct {
	livePeer
	name   string
	source *bgpPeer
	loss   reload.Loss
	of     *bgpVRF // into which they come; nil: into none
}

// begin begins a turn of the loop.
func (p *prospect) begin() {
	p.served = p.servedTables()
	p.senders, p.from = p.senders[:0], make(map[*bgpPeer]departures)
	p.options = bgpPolicyOptions{Validate: validating(p.loop)}
	for name, loss := range p.lost {
		if n, there := p.peerOf(name); there {
			p.from[*n.peerInfo.in(n.fsm)] = departures{loss: loss, inVRF: n.vrf() != ""}
		}
	}
	for _, name := range p.anew {
		n, there := p.peerOf(name)
		if !there {
			continue
		}
		home := n.judgedBy()
		if (home == "") != p.clients {
			continue // what it sent is in other tables
		}
		s := resender{livePeer: n, name: name, source: *n.peerInfo.in(n.fsm), loss: p.lost[name]}
		if home != speaker.Default && !p.clients {
			if s.of = p.vrfs[home]; s.of == nil {
				continue // its VRF goes, and it is lost
			}
		}
		p.senders = append(p.senders, s)
		p.from[s.source] = departures{all: true}
	}
}

// servedTables are those of our route server, empty ones where it has no client; nil: they are
// not asked for.
func (p *prospect) servedTables() *bgpTables {
	if !p.clients {
		return nil
	}
	for _, n := range p.peers() {
		if n.judgedBy() == "" {
			return *n.localRib.in(n.at)
		}
	}
	return new(bgpTables)
}

// tables are GoBGP's that would be otherwise.
func (p *prospect) tables() *bgpTables {
	if p.clients {
		return p.served
	}
	return p.rib()
}

// at is the spot of a destination; false: there is no table for it.
func (p *prospect) at(nlri bgp.AddrPrefixInterface) (s spot, is bool) {
	family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
	t := p.tables().Tables[family]
	if t == nil {
		return s, false
	}
	s = spot{place: place{family, tableKey(t, nlri)}, nlri: nlri}
	if d := t.destinations[s.key]; d != nil {
		s.known = d.knownPathList
	}
	return s, true
}

// paths are those that would be at a spot: those that stay, those that are made anew, and what
// originates here. One that says what the table has already is that one. Where they are those
// of now they are GoBGP's own list, the best one first.
func (p *prospect) paths(at spot) []*bgpPath {
	announced, decided := p.announcement(at)
	list := p.list[:0]
	for _, k := range at.known {
		if p.stays(k, at, decided) {
			list = append(list, k)
		}
	}
	for i := range p.senders {
		list = p.sentBy(list, &p.senders[i], at)
	}
	if announced != nil {
		list = append(list, announced)
	}
	p.list = list
	same := len(list) == len(at.known)
	for _, q := range list {
		same = same && slices.Contains(at.known, q)
	}
	if same {
		return at.known
	}
	return append([]*bgpPath(nil), list...)
}

// stays tells whether a path stays as it is. decided says that what we announce is.
func (p *prospect) stays(k *bgpPath, at spot, decided bool) bool {
	o := k.origin()
	if len(o.source.Address) > 0 {
		d := p.from[o.source]
		family := at.family
		if d.inVRF {
			family = unicastOf(family)
		}
		return !d.all && !d.loss.Has(family)
	}
	if _, ours := announcedAs(o); ours && decided {
		return false
	}
	_, gone := p.gone[vpnRD(at.nlri)]
	return !gone
}

// sentBy appends the paths that would be at a spot of what a neighbour sent.
func (p *prospect) sentBy(list []*bgpPath, n *resender, at spot) []*bgpPath {
	for _, as := range n.sent(at) {
		if n.of != nil {
			as = pathToGlobal(as, n.of)
		}
		if as = p.judged(as, n); as != nil {
			list = append(list, at.has(as))
		}
	}
	return list
}

// sent is what the neighbour sent that leads to a spot.
func (n *resender) sent(at spot) []*bgpPath {
	family, nlri := at.family, at.nlri
	if n.of != nil {
		if !isVPN(family) {
			return nil // a neighbour in a VRF sends none of EVPN
		}
		rd, prefix, err := vpnPrefix(nlri)
		if err != nil || !rdIs(n.of.Rd, rd) {
			return nil
		}
		family, nlri = unicastOf(family), nlriOf(prefix, nil)
	}
	adj := n.adjIn().table[family]
	if adj == nil || n.loss.Has(family) {
		return nil
	}
	return adj.accepted(tableKey(adj, nlri))
}

// announcement is what we announce at a spot: nil, true says that we do not.
func (p *prospect) announcement(at spot) (path *bgpPath, decided bool) {
	if len(p.ours) == 0 {
		return nil, false
	}
	name := speaker.Default
	prefix, err := unicastPrefix(at.nlri)
	if isVPN(at.family) {
		var rd rib.RD
		rd, prefix, err = vpnPrefix(at.nlri)
		name = p.homes[rd]
	}
	a, decided := p.ours[name][prefix]
	if err != nil || a == nil {
		return nil, decided
	}
	path = p.judged(paths(p.vrfs[name], p.as, []rib.AnnounceChange{{Announcement: *a}})[0], nil)
	if path == nil {
		return nil, true
	}
	return at.has(path), true
}

// GoBGP's POLICY_DIRECTION_IMPORT and POLICY_DIRECTION_EXPORT.
const (
	inwards  = 1
	outwards = 2
)

// judged is a path as the policies of what comes in leave it; nil: they reject it. Of one that
// originates here from is nil. A client of a route server has policies of its own, in which GoBGP
// finds no neighbour.
func (p *prospect) judged(path *bgpPath, from *resender) *bgpPath {
	table := conf.GlobalTable
	switch p.options.Info = nil; {
	case from != nil && p.clients:
		table = *from.tableID.in(from.at)
	case from != nil:
		p.options.Info = from.source
	}
	return policiesApply(p.policies, table, inwards, path, &p.options)
}

// validating is what GoBGP's policies ask about the origin AS of a path (RFC 6811).
func validating(l *loop) func(*bgpPath) unsafe.Pointer {
	roas := *l.roas.in(unsafe.Pointer(l.server()))
	return func(q *bgpPath) unsafe.Pointer { return roasValidate(roas, q) }
}

// has is the path of the table that says what p says; p, where there is none.
func (s *spot) has(p *bgpPath) *bgpPath {
	k := s.before(p)
	switch {
	case k == nil:
		return p
	case k == p, k.parent == p && len(k.pathAttrs)+len(k.dels) == 0, pathEqual(k, p):
		return k
	}
	return p
}

// before is the path that the table has of the same source in the place of p; nil: none.
func (s *spot) before(p *bgpPath) *bgpPath {
	o := p.origin()
	for _, k := range s.known {
		is := k.origin()
		local := len(is.source.Address)+len(o.source.Address) == 0
		if (local || is.source == o.source) && is.nlri.PathIdentifier() == o.nlri.PathIdentifier() {
			return k
		}
	}
	return nil
}

// unicastOf is the family in which a neighbour in a VRF sends what GoBGP has as a VPN family.
func unicastOf(f bgp.RouteFamily) bgp.RouteFamily {
	switch f {
	case bgp.RF_IPv4_VPN:
		return bgp.RF_IPv4_UC
	case bgp.RF_IPv6_VPN:
		return bgp.RF_IPv6_UC
	}
	return f
}

// vpnPrefix is the prefix of a VPN route, or of one by EVPN, and its RD.
func vpnPrefix(n bgp.AddrPrefixInterface) (rd rib.RD, prefix netip.Prefix, err error) {
	if rd = vpnRD(n); rd != 0 {
		prefix, err = innerPrefix(n)
	} else {
		prefix, err = unicastPrefix(n)
	}
	return rd, prefix, err
}

// vpnRD is the RD of a VPN route; 0: it is none.
func vpnRD(n bgp.AddrPrefixInterface) rib.RD {
	native := rdOf(n)
	if native == nil {
		return 0
	}
	rd, err := decodeRD(native)
	if err != nil {
		return 0
	}
	return rd
}

func rdIs(native bgp.RouteDistinguisherInterface, rd rib.RD) bool {
	is, err := decodeRD(native)
	return err == nil && rd != 0 && is == rd
}
