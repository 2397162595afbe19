package kernel

import (
	"io"
	"net"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// shortVigil is how long a connection to an owner has to have lasted for its end
	// to be the owner's end: an owner with too many connections ends new ones at once.
	shortVigil = 100 * time.Millisecond
	// lookAgain is the pause before an owner that takes no connection is looked at again.
	lookAgain = time.Second
)

// vigil waits for the end of an owner.
type vigil struct {
	key  claimKey
	conn *net.UnixConn // nil: it takes none
	stop chan struct{}
	done chan struct{}
}

// outlive signals a when the other end of conn, a rival for a table, has ended; with
// conn nil it signals when it is time to look at the rival again. It takes conn over, and
// ends the vigil over the rival before. It is false where a waits no longer.
func (a *await) outlive(conn *net.UnixConn, key claimKey, said rib.Rival) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endVigil()
	if a.stopped {
		return false
	}
	a.host.claims.rival(key, &said)
	v := &vigil{key: key, conn: conn, stop: make(chan struct{}), done: make(chan struct{})}
	a.vigil = v
	began := time.Now()
	go func() {
		defer close(v.done)
		least := lookAgain
		if conn != nil {
			_, _ = io.Copy(io.Discard, conn) // until it ends: the answer was read
			least = shortVigil
		}
		if rest := least - time.Since(began); rest > 0 {
			timer := time.NewTimer(rest)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-v.stop:
			}
		}
		a.signal()
	}()
	return true
}

// endVigil is called with mu held.
func (a *await) endVigil() {
	if a.vigil == nil {
		return
	}
	close(a.vigil.stop)
	if a.vigil.conn != nil {
		_ = a.vigil.conn.Close() // only looked at: nothing can be lost
	}
	<-a.vigil.done
	a.host.claims.rival(a.vigil.key, nil)
	a.vigil = nil
}
