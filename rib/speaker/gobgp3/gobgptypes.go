package gobgp3

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// The structs of GoBGP that it does not export and that are read here: of its watchers' events,
// and of its tables. They depend on its version, so each is compared with GoBGP's own
// (internals.go, insides.go), and no function of it is called that does not link (linked.go).

// ofBestPaths is what a watcher watches that is told of best paths.
const ofBestPaths = "bestpath"

// watchOption gets a watcher's options, which are where the watcher is.
type watchOption func(unsafe.Pointer)

// bgpPath is table.Path: a path that was received, or a change of its parent. The
// fields of these mirrors are named as GoBGP's, and _ where nothing reads them.
type bgpPath struct {
	info      *bgpOrigin // of the first parent
	parent    *bgpPath
	pathAttrs []bgp.PathAttributeInterface
	dels      []bgp.BGPAttrType
	attrsHash uint32
	rejected  bool // of adj-RIB-in: a loop check refused it
	dropped   bool // of a withdrawal: the path's local identifier is free again

	IsNexthopInvalid bool
	IsWithdraw       bool
}

// bgpOrigin is table.originInfo.
type bgpOrigin struct {
	nlri           bgp.AddrPrefixInterface
	source         *bgpPeer
	timestamp      int64 // Unix seconds
	_              bool
	isFromExternal bool
	_              bool
	stale          bool
}

// bgpPeer is table.PeerInfo. Of a path that originated here the Address is nil. A session
// that comes up writes AS and ID.
type bgpPeer struct {
	AS      uint32
	ID      net.IP
	LocalAS uint32
	LocalID net.IP
	Address net.IP
	_       net.IP

	RouteReflectorClient bool

	_ net.IP
	_ uint8
	_ bool
}

// bestEvent is server.watchEventBestPath: the best path of a destination, or a withdrawn
// one where it has none left; nothing, where the best path stays; of a batch of changes the
// paths of those of which it does not.
type bestEvent struct {
	PathList      []*bgpPath
	MultiPathList [][]*bgpPath // also, where multipath is on: those as good as the best
	_             map[uint32]bool
}

// eorEvent is server.watchEventEor.
type eorEvent struct {
	Family   bgp.RouteFamily
	PeerInfo *bgpPeer
}

// messageEvent is server.watchEventMessage: a message of a neighbour, before GoBGP handles
// it, which it may not do.
type messageEvent struct {
	Message     *bgp.BGPMessage
	_           uint32
	_           uint32
	PeerAddress net.IP // without its zone
	_           net.IP
	_           net.IP
	_           bool
	_           time.Time
	_           bool
}

// origin is where a path came from, as it was received.
func (p *bgpPath) origin() *bgpOrigin {
	for p.parent != nil {
		p = p.parent
	}
	return p.info
}

// originated tells whether a path began here.
func (p *bgpPath) originated() bool { return len(p.origin().source.Address) == 0 }

func watcherType() reflect.Type { return follow(reflect.TypeFor[server.BgpServer](), "watcherMap") }

// pathType is table.Path.
func pathType() reflect.Type {
	return follow(reflect.TypeFor[server.BgpServer](), "globalRib", "Tables", "destinations", "knownPathList")
}

// bgpTables is table.TableManager.
type bgpTables struct {
	Tables map[bgp.RouteFamily]*bgpTable
	Vrfs   map[string]*bgpVRF
	_      []bgp.RouteFamily
	_      log.Logger
}

// bgpTable is table.Table.
type bgpTable struct {
	_            bgp.RouteFamily
	destinations map[string]*bgpDestination
	logger       log.Logger
	_            map[string]map[string]struct{}
}

// accepted are the paths of a destination of an adj-RIB-in but for those of a loop.
func (t *bgpTable) accepted(key string) (paths []*bgpPath) {
	d := t.destinations[key]
	if d == nil {
		return nil
	}
	for _, p := range d.knownPathList {
		if !p.rejected {
			paths = append(paths, p)
		}
	}
	return paths
}

// bgpDestination is table.Destination. Of the bits of localIdMap, which Adj-RIB-In does
// not use, the first is always set, and each other one by a path with that identifier.
type bgpDestination struct {
	routeFamily   bgp.RouteFamily
	nlri          bgp.AddrPrefixInterface
	knownPathList []*bgpPath
	localIdMap    *bgpBitmap
}

// bgpBitmap is table.Bitmap.
type bgpBitmap struct{ bitmap []uint64 }

// bgpUpdate is table.Update, which only a method of bgpTables leads to.
type bgpUpdate struct{ KnownPathList, OldKnownPathList []*bgpPath }

// bgpVRF is table.Vrf.
type bgpVRF struct {
	Name      string
	Id        uint32
	Rd        bgp.RouteDistinguisherInterface
	ImportRt  []bgp.ExtendedCommunityInterface
	ExportRt  []bgp.ExtendedCommunityInterface
	MplsLabel uint32
}

// bgpAdjRib is table.AdjRib: the adj-RIB-in of a neighbour. accepted counts the paths
// that no loop check rejected.
type bgpAdjRib struct {
	accepted map[bgp.RouteFamily]int
	table    map[bgp.RouteFamily]*bgpTable
	_        log.Logger
}

// isVPN tells whether a family is one of RFC 4364 or RFC 4659.
func isVPN(f bgp.RouteFamily) bool { return f == bgp.RF_IPv4_VPN || f == bgp.RF_IPv6_VPN }

// vpnOf is the family under which GoBGP has what a neighbour in a VRF sends.
func vpnOf(f bgp.RouteFamily) bgp.RouteFamily {
	switch f {
	case bgp.RF_IPv4_UC:
		return bgp.RF_IPv4_VPN
	case bgp.RF_IPv6_UC:
		return bgp.RF_IPv6_VPN
	}
	return f
}

// addrOf is an address as GoBGP prints it: ::ffff:192.0.2.1 as 192.0.2.1.
func addrOf(ip net.IP) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

// localPeer is the source of a path that originated here.
var localPeer = new(bgpPeer)

// GoBGP's ROUTE_TYPE_NONE, ROUTE_TYPE_ACCEPT and ROUTE_TYPE_REJECT: what a statement says of a path.
const (
	noRoute = iota
	acceptRoute
	rejectRoute
)

// bgpPolicyOptions is table.PolicyOptions.
type bgpPolicyOptions struct {
	Info       *bgpPeer
	OldNextHop net.IP
	Validate   func(*bgpPath) unsafe.Pointer
}

// bgpROA is table.ROA: a validated payload that a cache of the RPKI sent.
type bgpROA struct {
	Family  int
	Network *net.IPNet
	MaxLen  uint8
	AS      uint32
	Src     string
}

// bestOf is the first path without the flag; nil: there is none.
func bestOf(paths []*bgpPath) *bgpPath {
	for _, p := range paths {
		if !p.IsNexthopInvalid {
			return p
		}
	}
	return nil
}

// unflagged are the paths without GoBGP's flag.
func unflagged(paths []*bgpPath) []*bgpPath {
	flagged := func(p *bgpPath) bool { return p.IsNexthopInvalid }
	if !slices.ContainsFunc(paths, flagged) {
		return paths
	}
	return slices.DeleteFunc(slices.Clone(paths), flagged)
}

// place is a destination in GoBGP's own tables. It outlives the destination.
type place struct {
	family bgp.RouteFamily
	key    string
}
