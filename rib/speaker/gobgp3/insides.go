package gobgp3

import (
	"net"
	"reflect"
	"sync"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// GoBGP's loop owns its tables and its neighbours, and has no call that lets go of
// what GoBGP keeps by mistake: destinations without a path, the routes of a neighbour
// that came back without them. So this file reaches them, as internals.go reaches the
// best paths and with the same care. All of it is for the loop alone: a filter of a
// watcher, the timing hook, and what mgmtOperation runs are in it.

//go:linkname serverPropagate github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).propagateUpdate
func serverPropagate(s *server.BgpServer, from unsafe.Pointer, paths []*bgpPath)

//go:linkname serverTellNeighbors github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).propagateUpdateToNeighbors
func serverTellNeighbors(s *server.BgpServer, rib *bgpTables, from unsafe.Pointer, path *bgpPath, updates []*bgpUpdate, needOld bool)

//go:linkname peerStopRestarting github.com/osrg/gobgp/v3/pkg/server.(*peer).stopPeerRestarting
func peerStopRestarting(peer unsafe.Pointer)

//go:linkname tablesUpdate github.com/osrg/gobgp/v3/internal/pkg/table.(*TableManager).Update
func tablesUpdate(rib *bgpTables, path *bgpPath) []*bgpUpdate

//go:linkname tableGetDestination github.com/osrg/gobgp/v3/internal/pkg/table.(*Table).GetDestination
func tableGetDestination(t *bgpTable, nlri bgp.AddrPrefixInterface) *bgpDestination

//go:linkname tableDeleteDest github.com/osrg/gobgp/v3/internal/pkg/table.(*Table).deleteDest
func tableDeleteDest(t *bgpTable, d *bgpDestination)

//go:linkname adjRibDropStale github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).DropStale
func adjRibDropStale(a *bgpAdjRib, families []bgp.RouteFamily) []*bgpPath

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
	_            log.Logger
	_            map[string]map[string]struct{}
}

// bgpDestination is table.Destination. Of the bits of localIdMap, which Adj-RIB-In does
// not use, the first is always set, and each other one by a path with that identifier.
type bgpDestination struct {
	_             bgp.RouteFamily
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
	_         string
	_         uint32
	Rd        bgp.RouteDistinguisherInterface
	_         []bgp.ExtendedCommunityInterface
	ExportRt  []bgp.ExtendedCommunityInterface
	MplsLabel uint32
}

// bgpAdjRib is table.AdjRib: what a neighbour sent. accepted are the paths that no
// loop check rejected.
type bgpAdjRib struct {
	accepted map[bgp.RouteFamily]int
	table    map[bgp.RouteFamily]*bgpTable
	_        log.Logger
}

// field is where a struct of GoBGP has a T.
type field[T any] uintptr

func (f field[T]) in(s unsafe.Pointer) *T { return (*T)(unsafe.Add(s, f)) }

// insides is where the structs that are too large to mirror have what is used here.
type insides struct {
	neighbors field[map[string]unsafe.Pointer] // BgpServer: its peers by address
	globalRib field[*bgpTables]
	policy    field[unsafe.Pointer]

	assignments   field[map[string]unsafe.Pointer] // table.RoutingPolicy
	importList    field[[]unsafe.Pointer]          // table.Assignment
	importDefault field[int]

	fsm      field[unsafe.Pointer] // server.peer
	adjRibIn field[*bgpAdjRib]
	llgrEnds field[[]chan struct{}] // not empty: in long-lived graceful restart

	conf         field[*oc.Neighbor] // server.fsm
	lock         field[sync.RWMutex]
	state        field[bgp.FSMState]
	conn         field[net.Conn]
	adminState   field[int]
	families     field[map[bgp.RouteFamily]bgp.BGPAddPathMode]
	capabilities field[map[bgp.BGPCapabilityCode][]bgp.ParameterCapabilityInterface]
}

// learner finds fields, and keeps the first that is not as expected.
type learner struct{ err error }

// learn finds a field in a struct of GoBGP.
func learn[T any](l *learner, in reflect.Type, name string, to *field[T]) {
	if l.err != nil {
		return
	}
	if in == nil {
		l.err = internalsError("nothing leads to the struct with the field %s", name)
		return
	}
	f, has := in.FieldByName(name)
	if !has {
		l.err = internalsError("%s has no field %s", in, name)
		return
	}
	if l.err = same(f.Type, reflect.TypeFor[T]()); l.err == nil {
		*to = field[T](f.Offset)
	}
}

// method compares a method's results and parameters, without the receiver.
func (l *learner) method(on reflect.Type, name string, has bool, m reflect.Method, mirror any) {
	if l.err != nil {
		return
	}
	want := reflect.TypeOf(mirror)
	if !has || m.Type.NumIn() != want.NumIn()+1 || m.Type.NumOut() != want.NumOut() {
		l.err = internalsError("%s.%s is not as %s", on, name, want)
		return
	}
	for i := range want.NumIn() {
		if err := same(m.Type.In(i+1), want.In(i)); err != nil {
			l.err = err
			return
		}
	}
	for i := range want.NumOut() {
		if err := same(m.Type.Out(i), want.Out(i)); err != nil {
			l.err = err
			return
		}
	}
}

// learnInsides compares what this file knows of GoBGP with what GoBGP is.
func learnInsides() (*insides, error) {
	var at insides
	var l learner
	srv := reflect.TypeFor[server.BgpServer]()
	learn(&l, srv, "neighborMap", &at.neighbors)
	learn(&l, srv, "globalRib", &at.globalRib)
	learn(&l, srv, "policy", &at.policy)
	policy := follow(srv, "policy")
	learn(&l, policy, "assignmentMap", &at.assignments)
	assignment := follow(srv, "policy", "assignmentMap")
	learn(&l, assignment, "importPolicies", &at.importList)
	learn(&l, assignment, "defaultImportPolicy", &at.importDefault)
	peer := follow(srv, "neighborMap")
	learn(&l, peer, "fsm", &at.fsm)
	learn(&l, peer, "adjRibIn", &at.adjRibIn)
	learn(&l, peer, "llgrEndChs", &at.llgrEnds)
	fsm := follow(srv, "neighborMap", "fsm")
	learn(&l, fsm, "pConf", &at.conf)
	learn(&l, fsm, "lock", &at.lock)
	learn(&l, fsm, "state", &at.state)
	learn(&l, fsm, "conn", &at.conn)
	learn(&l, fsm, "adminState", &at.adminState)
	learn(&l, fsm, "rfMap", &at.families)
	learn(&l, fsm, "capMap", &at.capabilities)
	l.methods(srv)
	return &at, l.err
}

// methods compares those of the linked methods that reflection can see. The others
// have the signatures of the version that go.mod names, which a test holds to be the
// one that they were written for.
func (l *learner) methods(srv reflect.Type) {
	if l.err != nil {
		return
	}
	rib := reflect.PointerTo(follow(srv, "globalRib"))
	m, has := rib.MethodByName("Update")
	l.method(rib, "Update", has, m, func(*bgpPath) []*bgpUpdate { return nil })
	table := reflect.PointerTo(follow(srv, "globalRib", "Tables"))
	m, has = table.MethodByName("GetDestination")
	l.method(table, "GetDestination", has, m, func(bgp.AddrPrefixInterface) *bgpDestination { return nil })
	adj := reflect.PointerTo(follow(srv, "neighborMap", "adjRibIn"))
	m, has = adj.MethodByName("DropStale")
	l.method(adj, "DropStale", has, m, func([]bgp.RouteFamily) []*bgpPath { return nil })
}
