package kernel

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// listenersOfOne bounds the connections of one other user to a holder, and
	// listenersOfAll the connections of all others: whoever is in the namespace can connect.
	listenersOfOne = 8
	listenersOfAll = 64
	// acceptAgain is how long accepting rests after an error.
	acceptAgain = time.Second
	// ownListeners bounds the connections of root, and of our own user.
	ownListeners = 256
)

// holder holds the name of one table. It tells every program that connects who we are,
// and keeps the connection: the program learns of our end by the connection's.
type holder struct {
	ln     *net.UnixListener
	says   []byte
	wg     sync.WaitGroup
	closed chan struct{}

	mu    sync.Mutex
	conns map[*net.UnixConn]uint32 // guarded by mu; by user; nil: closed
}

// newHolder serves a listener until close.
func newHolder(ln *net.UnixListener, says []byte) *holder {
	o := &holder{ln: ln, says: says, closed: make(chan struct{}), conns: make(map[*net.UnixConn]uint32)}
	o.wg.Go(o.serve)
	return o
}

// serve ends with close.
func (o *holder) serve() {
	for {
		conn, err := o.ln.AcceptUnix()
		switch {
		case err == nil:
			o.take(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // no descriptor is left: the connection stays in the kernel's queue
			select {
			case <-o.closed:
			case <-time.After(acceptAgain):
			}
		}
	}
}

// take answers a program that connected, and keeps the connection where there is room.
func (o *holder) take(conn *net.UnixConn) {
	// The answer fits the kernel's buffer, or is cut short: nobody is waited for.
	_, err := conn.Write(o.says)
	user, ok := peerOf(conn)
	if err != nil || !ok || !o.keep(conn, user.Uid) {
		_ = conn.Close() // it was told who we are
		return
	}
	o.wg.Go(func() {
		// No byte is to come: the end of the connection is waited for.
		_, _ = conn.Read(make([]byte, 1))
		o.mu.Lock()
		delete(o.conns, conn)
		o.mu.Unlock()
		_ = conn.Close()
	})
}

func (o *holder) keep(conn *net.UnixConn, uid uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	same, others := 0, 0
	for _, u := range o.conns {
		if u == uid {
			same++
		}
		if !trusted(u) {
			others++
		}
	}
	if o.conns == nil || trusted(uid) && same >= ownListeners || !trusted(uid) && (same >= listenersOfOne || others >= listenersOfAll) {
		return false
	}
	o.conns[conn] = uid
	return true
}

// close gives the name up, and then ends the connections of those who wait for that.
func (o *holder) close() {
	close(o.closed)
	_ = o.ln.Close() // the descriptor is gone all the same
	o.mu.Lock()
	for conn := range o.conns {
		_ = conn.Close()
	}
	o.conns = nil
	o.mu.Unlock()
	o.wg.Wait()
}

// peerOf is the process at the other end (SO_PEERCRED): where we accepted the connection,
// the one that connected; where we made it, the one that listens.
func peerOf(conn *net.UnixConn) (unix.Ucred, bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return unix.Ucred{}, false
	}
	var cred *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) { cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || asked != nil {
		return unix.Ucred{}, false
	}
	return *cred, true
}

// overflowUID is how the kernel shows every user that this process's user
// namespace has no number for (kernel.overflowuid).
const overflowUID = 65534

// trusted tells whether a user's claim to a table is believed: root's, and that of the
// user who runs this daemon. A user whom the kernel cannot name is never trusted, though
// he may be root outside of this user namespace.
func trusted(uid uint32) bool {
	return uid == 0 || uid != overflowUID && uid == uint32(os.Geteuid())
}
