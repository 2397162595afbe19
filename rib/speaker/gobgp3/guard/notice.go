package guard

import (
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Notice is a NOTIFICATION as it was on the wire. The zero value: there was none.
type Notice struct {
	Code, Subcode uint8
	Data          []byte
	At            time.Time
}

// Opened is what the OPENs of both sides come to. The zero value: there were none.
type Opened struct {
	PeerAS   uint32
	Families []string // that both have, as GoBGP names them; it is not changed
}

// wire is what was last seen of a neighbour's sessions.
type wire struct {
	mu          sync.Mutex
	heard, said Notice    // guarded by mu
	opened      Opened    // guarded by mu
	shutdown    time.Time // guarded by mu; when routes were marked with GRACEFUL_SHUTDOWN
}

// last returns it.
func (w *wire) last() (heard, said Notice, opened Opened) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard, w.said, w.opened
}

// noticeOf reads a whole message; ok: it is a NOTIFICATION (RFC 4271, 4.5).
func noticeOf(m []byte, now func() time.Time) (n Notice, ok bool) {
	if len(m) < headerSize+2 || m[18] != bgp.BGP_MSG_NOTIFICATION {
		return n, false
	}
	return Notice{Code: m[headerSize], Subcode: m[headerSize+1], Data: append([]byte(nil), m[headerSize+2:]...), At: now()}, true
}

// hear notes a NOTIFICATION of the neighbour's.
func (w *wire) hear(m []byte, now func() time.Time) {
	if n, ok := noticeOf(m, now); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard = n
	}
}

// tell notes one of ours.
func (w *wire) tell(m []byte, now func() time.Time) {
	if n, ok := noticeOf(m, now); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = n
	}
}

// open notes them.
func (w *wire) open(o Opened) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = o
}
