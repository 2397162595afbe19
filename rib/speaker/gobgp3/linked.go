package gobgp3

import (
	"net"
	"reflect"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/grpc"
)

// The functions of GoBGP that it does not export and that are called here. A function
// that is not there does not link. Signatures of methods with exported names are
// compared with GoBGP's before BGP starts, by checkLinked; the others are those of
// gobgpVersion, which a test of the house holds against go.mod: whoever raises it there
// compares each of these with the new source.

// GoBGP's loop, its watchers, its neighbours and its listening sockets.

//go:linkname mgmtOperation github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).mgmtOperation
func mgmtOperation(s *server.BgpServer, f func() error, checkActive bool) error

//go:linkname serverWatch github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).watch
func serverWatch(s *server.BgpServer, options ...watchOption) unsafe.Pointer

//go:linkname watchBestPath github.com/osrg/gobgp/v3/pkg/server.watchBestPath
func watchBestPath(current bool) watchOption

//go:linkname watchEOR github.com/osrg/gobgp/v3/pkg/server.watchEor
func watchEOR(current bool) watchOption

//go:linkname watchMessage github.com/osrg/gobgp/v3/pkg/server.watchMessage
func watchMessage(sent bool) watchOption

//go:linkname watcherEvent github.com/osrg/gobgp/v3/pkg/server.(*watcher).Event
func watcherEvent(watcher unsafe.Pointer) <-chan any

//go:linkname watcherStop github.com/osrg/gobgp/v3/pkg/server.(*watcher).Stop
func watcherStop(watcher unsafe.Pointer)

//go:linkname serverSetAdminState github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).setAdminState
func serverSetAdminState(s *server.BgpServer, addr, why string, up bool) error

//go:linkname serverListeners github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).listListeners
func serverListeners(s *server.BgpServer, address string) []*net.TCPListener

//go:linkname peerStopRestarting github.com/osrg/gobgp/v3/pkg/server.(*peer).stopPeerRestarting
func peerStopRestarting(peer unsafe.Pointer)

//go:linkname newAPIServer github.com/osrg/gobgp/v3/pkg/server.newAPIserver
func newAPIServer(bgp *server.BgpServer, g *grpc.Server, hosts string) unsafe.Pointer

// From one table to another, and to neighbours.

//go:linkname serverPropagate github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).propagateUpdate
func serverPropagate(s *server.BgpServer, from unsafe.Pointer, paths []*bgpPath)

//go:linkname serverTellNeighbors github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).propagateUpdateToNeighbors
func serverTellNeighbors(s *server.BgpServer, rib *bgpTables, from unsafe.Pointer, path *bgpPath, updates []*bgpUpdate, needOld bool)

//go:linkname serverBest github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).getPossibleBest
func serverBest(s *server.BgpServer, peer unsafe.Pointer, family bgp.RouteFamily) []*bgpPath

//go:linkname serverFilter github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).filterpath
func serverFilter(s *server.BgpServer, peer unsafe.Pointer, path, old *bgpPath) *bgpPath

//go:linkname serverPreFilter github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).prePolicyFilterpath
func serverPreFilter(s *server.BgpServer, peer unsafe.Pointer, path, old *bgpPath) (before *bgpPath, options *bgpPolicyOptions, stop bool)

//go:linkname serverPostFilter github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).postFilterpath
func serverPostFilter(s *server.BgpServer, peer unsafe.Pointer, path *bgpPath) *bgpPath

//go:linkname peerTables github.com/osrg/gobgp/v3/pkg/server.(*peer).toGlobalFamilies
func peerTables(peer unsafe.Pointer, families []bgp.RouteFamily) []bgp.RouteFamily

//go:linkname softResetFamilies github.com/osrg/gobgp/v3/pkg/server.familiesForSoftreset
func softResetFamilies(peer unsafe.Pointer, family bgp.RouteFamily) []bgp.RouteFamily

//go:linkname sendToPeer github.com/osrg/gobgp/v3/pkg/server.sendfsmOutgoingMsg
func sendToPeer(peer unsafe.Pointer, paths []*bgpPath, notification *bgp.BGPMessage, stayIdle bool)

//go:linkname tablesUpdate github.com/osrg/gobgp/v3/internal/pkg/table.(*TableManager).Update
func tablesUpdate(rib *bgpTables, path *bgpPath) []*bgpUpdate

//go:linkname tableGetDestination github.com/osrg/gobgp/v3/internal/pkg/table.(*Table).GetDestination
func tableGetDestination(t *bgpTable, nlri bgp.AddrPrefixInterface) *bgpDestination

//go:linkname tableDeleteDest github.com/osrg/gobgp/v3/internal/pkg/table.(*Table).deleteDest
func tableDeleteDest(t *bgpTable, d *bgpDestination)

//go:linkname tableKey github.com/osrg/gobgp/v3/internal/pkg/table.(*Table).tableKey
func tableKey(t *bgpTable, nlri bgp.AddrPrefixInterface) string

//go:linkname destinationSort github.com/osrg/gobgp/v3/internal/pkg/table.(*Destination).sort
func destinationSort(d *bgpDestination) (reason uint8)

//go:linkname clientLacks github.com/osrg/gobgp/v3/internal/pkg/table.rsFilter
func clientLacks(table string, as uint32, p *bgpPath) bool

//go:linkname adjRibDropStale github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).DropStale
func adjRibDropStale(a *bgpAdjRib, families []bgp.RouteFamily) []*bgpPath

//go:linkname adjRibStaleAll github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).StaleAll
func adjRibStaleAll(a *bgpAdjRib, families []bgp.RouteFamily) []*bgpPath

//go:linkname adjRibMarkLongLived github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).MarkLLGRStaleOrDrop
func adjRibMarkLongLived(a *bgpAdjRib, families []bgp.RouteFamily) []*bgpPath

//go:linkname adjRibDrop github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).Drop
func adjRibDrop(a *bgpAdjRib, families []bgp.RouteFamily) []*bgpPath

// Paths, and the steps of a message from one neighbour to others.

//go:linkname pathAttributes github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).GetPathAttrs
func pathAttributes(p *bgpPath) []bgp.PathAttributeInterface

//go:linkname pathClone github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).Clone
func pathClone(p *bgpPath, withdraw bool) *bgpPath

//go:linkname pathToLocal github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).ToLocal
func pathToLocal(p *bgpPath) *bgpPath

//go:linkname pathEqual github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).Equal
func pathEqual(a, b *bgpPath) bool

//go:linkname pathToGlobal github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).ToGlobal
func pathToGlobal(p *bgpPath, vrf *bgpVRF) *bgpPath

//go:linkname statementApply github.com/osrg/gobgp/v3/internal/pkg/table.(*Statement).Apply
func statementApply(statement unsafe.Pointer, l log.Logger, p *bgpPath, options *bgpPolicyOptions) (routeType int, changed *bgpPath)

//go:linkname policiesApply github.com/osrg/gobgp/v3/internal/pkg/table.(*RoutingPolicy).ApplyPolicy
func policiesApply(policies unsafe.Pointer, table string, direction int, p *bgpPath, options *bgpPolicyOptions) *bgpPath

//go:linkname roasValidate github.com/osrg/gobgp/v3/internal/pkg/table.(*ROATable).Validate
func roasValidate(roas unsafe.Pointer, p *bgpPath) unsafe.Pointer

//go:linkname roasList github.com/osrg/gobgp/v3/internal/pkg/table.(*ROATable).List
func roasList(roas unsafe.Pointer, family bgp.RouteFamily) ([]*bgpROA, error)

//go:linkname mergeAS4Path github.com/osrg/gobgp/v3/internal/pkg/table.UpdatePathAttrs4ByteAs
func mergeAS4Path(l log.Logger, u *bgp.BGPUpdate) error

//go:linkname mergeAS4Aggregator github.com/osrg/gobgp/v3/internal/pkg/table.UpdatePathAggregator4ByteAs
func mergeAS4Aggregator(u *bgp.BGPUpdate) error

//go:linkname narrowASPath github.com/osrg/gobgp/v3/internal/pkg/table.UpdatePathAttrs2ByteAs
func narrowASPath(u *bgp.BGPUpdate) error

//go:linkname narrowAggregator github.com/osrg/gobgp/v3/internal/pkg/table.UpdatePathAggregator2ByteAs
func narrowAggregator(u *bgp.BGPUpdate)

//go:linkname processMessage github.com/osrg/gobgp/v3/internal/pkg/table.ProcessMessage
func processMessage(m *bgp.BGPMessage, from *bgpPeer, at time.Time) []*bgpPath

//go:linkname newPeerInfo github.com/osrg/gobgp/v3/internal/pkg/table.NewPeerInfo
func newPeerInfo(g *oc.Global, n *oc.Neighbor) *bgpPeer

//go:linkname updatePathAttrs github.com/osrg/gobgp/v3/internal/pkg/table.UpdatePathAttrs
func updatePathAttrs(l log.Logger, g *oc.Global, n *oc.Neighbor, to *bgpPeer, p *bgpPath) *bgpPath

//go:linkname newEndOfRIB github.com/osrg/gobgp/v3/internal/pkg/table.NewEOR
func newEndOfRIB(family bgp.RouteFamily) *bgpPath

//go:linkname createUpdates github.com/osrg/gobgp/v3/internal/pkg/table.CreateUpdateMsgFromPaths
func createUpdates(paths []*bgpPath, options ...*bgp.MarshallingOption) []*bgp.BGPMessage

// checkLinked compares the signatures that reflection can see: of methods with exported
// names, whose names must be constants here, or the linker leaves the methods out.
func checkLinked() error {
	srv := reflect.TypeFor[server.BgpServer]()
	watcher, path := pointerTo(watcherType()), pointerTo(pathType())
	tables, table := pointerTo(follow(srv, "globalRib")), pointerTo(follow(srv, "globalRib", "Tables"))
	adj := pointerTo(follow(srv, "neighborMap", "adjRibIn"))
	statement := pointerTo(follow(srv, "policy", "assignmentMap", "importPolicies", "Statements"))
	roas, policies := pointerTo(follow(srv, "roaTable")), pointerTo(follow(srv, "policy"))
	var s signatures
	m, has := watcher.MethodByName("Event")
	s.check(watcher, "Event", has, m, func() <-chan any { return nil })
	m, has = watcher.MethodByName("Stop")
	s.check(watcher, "Stop", has, m, func() {})
	m, has = path.MethodByName("GetPathAttrs")
	s.check(path, "GetPathAttrs", has, m, func() []bgp.PathAttributeInterface { return nil })
	m, has = path.MethodByName("Clone")
	s.check(path, "Clone", has, m, func(bool) *bgpPath { return nil })
	m, has = path.MethodByName("Equal")
	s.check(path, "Equal", has, m, func(*bgpPath) bool { return false })
	m, has = path.MethodByName("ToLocal")
	s.check(path, "ToLocal", has, m, func() *bgpPath { return nil })
	m, has = path.MethodByName("ToGlobal")
	s.check(path, "ToGlobal", has, m, func(*bgpVRF) *bgpPath { return nil })
	m, has = statement.MethodByName("Apply")
	s.check(statement, "Apply", has, m, func(log.Logger, *bgpPath, *bgpPolicyOptions) (int, *bgpPath) { return 0, nil })
	m, has = policies.MethodByName("ApplyPolicy")
	s.check(policies, "ApplyPolicy", has, m, func(string, int, *bgpPath, *bgpPolicyOptions) *bgpPath { return nil })
	m, has = roas.MethodByName("Validate")
	s.check(roas, "Validate", has, m, func(*bgpPath) unsafe.Pointer { return nil })
	m, has = roas.MethodByName("List")
	s.check(roas, "List", has, m, func(bgp.RouteFamily) ([]*bgpROA, error) { return nil, nil })
	m, has = tables.MethodByName("Update")
	s.check(tables, "Update", has, m, func(*bgpPath) []*bgpUpdate { return nil })
	m, has = table.MethodByName("GetDestination")
	s.check(table, "GetDestination", has, m, func(bgp.AddrPrefixInterface) *bgpDestination { return nil })
	changes := func([]bgp.RouteFamily) []*bgpPath { return nil }
	m, has = adj.MethodByName("DropStale")
	s.check(adj, "DropStale", has, m, changes)
	m, has = adj.MethodByName("StaleAll")
	s.check(adj, "StaleAll", has, m, changes)
	m, has = adj.MethodByName("MarkLLGRStaleOrDrop")
	s.check(adj, "MarkLLGRStaleOrDrop", has, m, changes)
	m, has = adj.MethodByName("Drop")
	s.check(adj, "Drop", has, m, changes)
	return s.err
}

// pointerTo is a pointer to a type that follow returned: to one without methods, where
// that is nil.
func pointerTo(t reflect.Type) reflect.Type {
	if t == nil {
		t = reflect.TypeFor[struct{}]()
	}
	return reflect.PointerTo(t)
}

// signatures keeps the first method that is not as expected.
type signatures struct{ err error }

// check compares a method's results and parameters, without the receiver, with those of
// a function.
func (s *signatures) check(on reflect.Type, name string, has bool, m reflect.Method, mirror any) {
	if s.err != nil {
		return
	}
	want := reflect.TypeOf(mirror)
	if !has || m.Type.NumIn() != want.NumIn()+1 || m.Type.NumOut() != want.NumOut() {
		s.err = internalsError("%s.%s is not as %s", on, name, want)
		return
	}
	for i := range want.NumIn() {
		if err := same(m.Type.In(i+1), want.In(i)); err != nil {
			s.err = err
			return
		}
	}
	for i := range want.NumOut() {
		if err := same(m.Type.Out(i), want.Out(i)); err != nil {
			s.err = err
			return
		}
	}
}
