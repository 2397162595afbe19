package guard

import (
	"encoding/binary"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// Graceful shutdown (RFC 8326). A neighbour in another AS that is about to go marks its routes with the
// community GRACEFUL_SHUTDOWN, and they have to be the last choice (4.3): LOCAL_PREF 0. The guard
// writes it into the message, because GoBGP keeps a LOCAL_PREF of an eBGP neighbour, and neither a
// path of others nor one that is imported costs anything for it. A policy would cost both: GoBGP
// tries a regular expression on every community of every path.

// leastPreferred is the value of LOCAL_PREF 0. GoBGP gets copies of it.
var leastPreferred [4]byte

// shutsDown tells whether a list of communities has GRACEFUL_SHUTDOWN in it.
func shutsDown(communities []byte) bool {
	for v := communities; len(v) >= 4; v = v[4:] {
		if binary.BigEndian.Uint32(v) == uint32(rib.CommunityGracefulShutdown) {
			return true
		}
	}
	return false
}

// avoid gives the routes of an UPDATE the LOCAL_PREF 0.
func (u *update) avoid() {
	u.attrs = append(u.attrs, attribute{flags: flagTransitive, kind: byte(bgp.BGP_ATTR_TYPE_LOCAL_PREF), value: leastPreferred[:]})
	u.changed = true
}

// shutdownGap is how long no route of a neighbour is marked before that is worth a line in the log
// again.
const shutdownGap = 5 * time.Minute

// marked notes that a neighbour marked routes.
func (s *session) marked() {
	s.record.counts[ShutDown].Add(1)
	if !s.record.wire.begins(s.guard.now()) {
		return
	}
	attrs := []any{"neighbor", s.record.name}
	if vrf := s.rules().VRF; vrf != "" {
		attrs = append(attrs, "vrf", vrf)
	}
	s.guard.log.Info("a BGP neighbor is about to shut down, and says so (GRACEFUL_SHUTDOWN, RFC 8326): its routes are the last choice", attrs...)
}

// begins notes that routes are marked now, and tells whether none was for a while.
func (w *wire) begins(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.shutdown
	w.shutdown = now
	return now.Sub(last) >= shutdownGap
}
