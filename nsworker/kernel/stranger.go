package kernel

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// squatter is another user's program that has the name of a table which c serves. It
// is watched, so that the name becomes ours when the program goes: until then a second
// daemon cannot be kept from the table.
type squatter struct {
	claims *claims
	c      *Conn
	key    claimKey
	stop   chan struct{}
	done   chan struct{}
	told   rib.Rival // another daemon that has the name by now

	mu   sync.Mutex
	conn *net.UnixConn // guarded by mu; nil: none, or closed
}

// squatterPause is the least time between two looks at a squatter.
const squatterPause = time.Second

// newSquatter watches until the name is this daemon's, or close.
func newSquatter(o *claims, c *Conn, key claimKey, conn *net.UnixConn) *squatter {
	s := &squatter{claims: o, c: c, key: key, stop: make(chan struct{}), done: make(chan struct{}), conn: conn}
	go func() {
		defer close(s.done)
		for {
			s.mu.Lock()
			conn := s.conn
			s.mu.Unlock()
			if conn != nil {
				_, _ = conn.Read(make([]byte, 1)) // it may say anything: one byte is read, and no more
				_ = conn.Close()                  // only looked at: nothing can be lost
			}
			if s.retake() {
				return
			}
			select {
			case <-s.stop:
				return
			case <-time.After(squatterPause):
			}
		}
	}()
	return s
}

// retake takes the name where it is free, and looks again at the program that has it
// where it is not. It tells whether the watch has ended.
func (s *squatter) retake() bool {
	select {
	case <-s.stop:
		return true
	default:
	}
	holder, err := s.claims.hold(s.c, s.key)
	if err == nil {
		s.claims.obtained(s.key, holder)
		return true
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return false
	}
	found, err := askRival(s.claims.spaces, s.c.mon.ns, s.key)
	if err != nil {
		if found.conn != nil {
			_ = found.conn.Close() // only looked at: nothing can be lost
		}
		return false
	}
	if found.ours {
		return true
	}
	if said := found.said(s.c.binding.Netns, s.key); found.believed() && said != s.told {
		s.told = said
		s.claims.rival(s.key, &said)
		s.claims.log.Error(said.String() + ", and this one serves it: end one of them, or each deletes the other's routes")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		_ = found.conn.Close() // only looked at: nothing can be lost
	default:
		s.conn = found.conn
	}
	return false
}

// close ends the watch and joins it.
func (s *squatter) close() {
	s.mu.Lock()
	close(s.stop)
	if s.conn != nil {
		_ = s.conn.Close() // only looked at: nothing can be lost
	}
	s.mu.Unlock()
	<-s.done
}

// obtained takes over a name that another user's program had until now.
func (o *claims) obtained(key claimKey, h *holder) {
	o.mu.Lock()
	have := o.all[key]
	if have != nil && have.holder == nil {
		have.holder, h = h, nil
		delete(o.rivals, key)
	}
	o.mu.Unlock()
	if h != nil { // it was given up meanwhile
		h.close()
	}
}
