package gobgp3

import (
	"net"
	"reflect"
	"sync"
	"unsafe"

	"github.com/eapache/channels"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// GoBGP's loop owns its tables and its neighbours, and has no call that lets go of
// destinations without a path, or of the routes of a neighbour that came back without
// them, which GoBGP keeps by mistake. So this file finds where
// it has them, and internals.go compares. All of it is for the loop alone: a filter of a
// watcher, the timing hook, and functions that mgmtOperation is given run in it.

// field is where a struct of GoBGP has a T.
type field[T any] uintptr

func (f field[T]) in(s unsafe.Pointer) *T { return (*T)(unsafe.Add(s, f)) }

// insides is where the structs that are too large to mirror have the fields that are
// used here.
type insides struct {
	serverFields
	policyFields
	peerFields
	fsmFields
	groupFields
	rpkiFields
}

// serverFields are fields of server.BgpServer.
type serverFields struct {
	neighbors field[map[string]unsafe.Pointer] // its peers by address
	groups    field[map[string]unsafe.Pointer] // its peer groups by name
	globalRib field[*bgpTables]
	config    field[oc.Bgp]
	roas      field[unsafe.Pointer]
	policy    field[unsafe.Pointer]
	watchers  field[map[string][]unsafe.Pointer] // by what they watch
}

// policyFields are fields of table.RoutingPolicy, and of what it leads to.
type policyFields struct {
	assignments   field[map[string]unsafe.Pointer]
	importList    field[[]unsafe.Pointer]
	exportList    field[[]unsafe.Pointer]
	importDefault field[int]
	exportDefault field[int]
	policyName    field[string] // of table.Policy
	statements    field[[]unsafe.Pointer]
	statementName field[string] // of table.Statement
}

// peerFields are fields of server.peer.
type peerFields struct {
	fsm      field[unsafe.Pointer]
	adjRibIn field[*bgpAdjRib]
	judge    field[unsafe.Pointer]  // the policies by which it is told
	tableID  field[string]          // of the table in which it looks for them
	localRib field[*bgpTables]      // in which its routes are looked for
	llgrEnds field[[]chan struct{}] // not empty: in long-lived graceful restart
}

// fsmFields are fields of server.fsm, which GoBGP has for each session.
type fsmFields struct {
	global       field[*oc.Global]
	conf         field[*oc.Neighbor]
	peerInfo     field[*bgpPeer] // the source of its paths
	lock         field[sync.RWMutex]
	state        field[bgp.FSMState]
	conn         field[net.Conn]
	incoming     field[*channels.InfiniteChannel] // of messages, to the loop
	outgoing     field[*channels.InfiniteChannel] // of messages, to the neighbour
	adminState   field[int]
	idleHold     field[float64] // seconds, of its next idle state
	logger       field[log.Logger]
	families     field[map[bgp.RouteFamily]bgp.BGPAddPathMode]
	capabilities field[map[bgp.BGPCapabilityCode][]bgp.ParameterCapabilityInterface]
}

// groupFields are fields of server.peerGroup.
type groupFields struct {
	groupConf field[*oc.PeerGroup]
	dynamic   field[map[string]unsafe.Pointer] // of its dynamic neighbours, by prefix
}

// rpkiFields are fields of server.roaManager, and of server.roaClient, of which it has one for each
// cache.
type rpkiFields struct {
	roaManager    field[unsafe.Pointer] // of server.BgpServer
	caches        field[map[string]unsafe.Pointer]
	cacheSession  field[uint16]
	cacheSerial   field[uint32]
	cacheComplete field[bool]
	cacheConn     field[*net.TCPConn]
	cacheStatus   field[oc.RpkiServerState]
}

// learn finds them.
func (at *rpkiFields) learn(l *learner, srv reflect.Type) {
	learn(l, srv, "roaManager", &at.roaManager)
	learn(l, follow(srv, "roaManager"), "clientMap", &at.caches)
	cache := follow(srv, "roaManager", "clientMap")
	learn(l, cache, "sessionID", &at.cacheSession)
	learn(l, cache, "serialNumber", &at.cacheSerial)
	learn(l, cache, "endOfData", &at.cacheComplete)
	learn(l, cache, "conn", &at.cacheConn)
	learn(l, cache, "state", &at.cacheStatus)
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

// learnInsides finds the fields, and compares their types and the linked signatures with
// GoBGP's.
func learnInsides() (*insides, error) {
	var at insides
	var l learner
	srv := reflect.TypeFor[server.BgpServer]()
	learn(&l, srv, "neighborMap", &at.neighbors)
	learn(&l, srv, "peerGroupMap", &at.groups)
	learn(&l, srv, "globalRib", &at.globalRib)
	learn(&l, srv, "bgpConfig", &at.config)
	learn(&l, srv, "roaTable", &at.roas)
	learn(&l, srv, "policy", &at.policy)
	learn(&l, srv, "watcherMap", &at.watchers)
	policy := follow(srv, "policy")
	learn(&l, policy, "assignmentMap", &at.assignments)
	assignment := follow(srv, "policy", "assignmentMap")
	learn(&l, assignment, "importPolicies", &at.importList)
	learn(&l, assignment, "exportPolicies", &at.exportList)
	learn(&l, assignment, "defaultImportPolicy", &at.importDefault)
	learn(&l, assignment, "defaultExportPolicy", &at.exportDefault)
	listed := follow(srv, "policy", "assignmentMap", "importPolicies")
	learn(&l, listed, "Name", &at.policyName)
	learn(&l, listed, "Statements", &at.statements)
	learn(&l, follow(srv, "policy", "assignmentMap", "importPolicies", "Statements"), "Name", &at.statementName)
	peer := follow(srv, "neighborMap")
	learn(&l, peer, "fsm", &at.fsm)
	learn(&l, peer, "adjRibIn", &at.adjRibIn)
	learn(&l, peer, "policy", &at.judge)
	learn(&l, peer, "tableId", &at.tableID)
	learn(&l, peer, "localRib", &at.localRib)
	learn(&l, peer, "llgrEndChs", &at.llgrEnds)
	fsm := follow(srv, "neighborMap", "fsm")
	learn(&l, fsm, "gConf", &at.global)
	learn(&l, fsm, "pConf", &at.conf)
	learn(&l, fsm, "peerInfo", &at.peerInfo)
	learn(&l, fsm, "lock", &at.lock)
	learn(&l, fsm, "state", &at.state)
	learn(&l, fsm, "conn", &at.conn)
	learn(&l, fsm, "incomingCh", &at.incoming)
	learn(&l, fsm, "outgoingCh", &at.outgoing)
	learn(&l, fsm, "adminState", &at.adminState)
	learn(&l, fsm, "idleHoldTime", &at.idleHold)
	learn(&l, fsm, "logger", &at.logger)
	learn(&l, fsm, "rfMap", &at.families)
	learn(&l, fsm, "capMap", &at.capabilities)
	group := follow(srv, "peerGroupMap")
	learn(&l, group, "Conf", &at.groupConf)
	learn(&l, group, "dynamicNeighbors", &at.dynamic)
	at.learn(&l, srv)
	if l.err != nil {
		return nil, l.err
	}
	return &at, checkLinked()
}
