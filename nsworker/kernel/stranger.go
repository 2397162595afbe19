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
// is watched, so that the name is ours when it goes: as long as it is not, a second
// daemon is not kept from the table.
type squatter struct {
	host *Host
	c    *Conn
	key  claimKey
	stop chan struct{}
	done chan struct{}
	told rib.Rival // another daemon that has the name by now

	mu   sync.Mutex
	conn *net.UnixConn // guarded by mu; nil: none, or closed
}

// squatterPause is the least time between two looks at one.
const squatterPause = time.Second

// outlast watches until the name is this daemon's, or close.
func (h *Host) outlast(c *Conn, key claimKey, conn *net.UnixConn) *squatter {
	s := &squatter{host: h, c: c, key: key, stop: make(chan struct{}), done: make(chan struct{}), conn: conn}
	go func() {
		defer close(s.done)
		for {
			s.mu.Lock()
			conn := s.conn
			s.mu.Unlock()
			if conn != nil {
				_, _ = conn.Read(make([]byte, 1)) // what it says is of no interest, and not read on
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

// retake takes the name where it is free, and looks again at who has it where it is
// not. It tells whether that is the end of it.
func (s *squatter) retake() bool {
	select {
	case <-s.stop:
		return true
	default:
	}
	holder, err := s.host.hold(s.c, s.key)
	if err == nil {
		s.host.claims.obtained(s.key, holder)
		return true
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return false
	}
	found, err := s.host.ask(s.c, s.key)
	if err != nil {
		if found.conn != nil {
			_ = found.conn.Close() // only looked at: nothing can be lost
		}
		return false
	}
	if found.ours {
		return true
	}
	if said := found.said(s.c, s.key); found.believed() && said != s.told {
		s.told = said
		s.host.claims.rival(s.key, &said)
		s.host.log.Error(said.String() + ", and this one serves it: end one of them, or each deletes the other's routes")
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

// obtained takes in a name that another user's program had until now.
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
