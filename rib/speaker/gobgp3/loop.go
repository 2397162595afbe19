package gobgp3

import (
	"iter"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
)

// loop is GoBGP's server with its one goroutine, which owns its tables and neighbours.
// peers, peer, rib and group are for functions that run in it.
type loop struct {
	*insides
	rpki    *rib.RPKI // what policies are told; see validation
	running atomic.Pointer[server.BgpServer]
	allVRFs *bgpTables // GoBGP's own tables, while others are in their place; see setVRFsAside
}

// server is GoBGP's server; nil before Run.
func (l *loop) server() *server.BgpServer { return l.running.Load() }

// inLoop has GoBGP's loop call f, and waits for that. Its error is that of f, or of a
// GoBGP that was stopped.
func (l *loop) inLoop(f func() error) error { return mgmtOperation(l.server(), f, true) }

// inAnyLoop is inLoop, of a GoBGP that has not been started too.
func (l *loop) inAnyLoop(f func() error) error { return mgmtOperation(l.server(), f, false) }

// peers goes through GoBGP's neighbours by the address that it has them under.
func (l *loop) peers() iter.Seq2[string, livePeer] {
	return func(yield func(string, livePeer) bool) {
		for addr, at := range *l.neighbors.in(unsafe.Pointer(l.server())) {
			if !yield(addr, l.peer(at)) {
				return
			}
		}
	}
}

func (l *loop) peer(at unsafe.Pointer) livePeer { return livePeer{l.insides, at, *l.fsm.in(at)} }

// peerOf is the neighbour that GoBGP has under an address.
func (l *loop) peerOf(addr string) (livePeer, bool) {
	at := (*l.neighbors.in(unsafe.Pointer(l.server())))[addr]
	if at == nil {
		return livePeer{}, false
	}
	return l.peer(at), true
}

func (l *loop) rib() *bgpTables {
	if l.allVRFs != nil {
		return l.allVRFs
	}
	return *l.globalRib.in(unsafe.Pointer(l.server()))
}

// hasGroup tells whether GoBGP has a peer group. It waits for the loop.
func (l *loop) hasGroup(name string) (has bool) {
	err := l.inLoop(func() error {
		_, has = (*l.groups.in(unsafe.Pointer(l.server())))[name]
		return nil
	})
	return err == nil && has
}

// quietEach is how often the loop is looked at where no messages come.
const quietEach = time.Second
