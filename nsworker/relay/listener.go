package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// listener is a listening socket in a namespace, which serves all neighbours
// there that have its address, and the goroutine that accepts on it.
type listener struct {
	key     listenKey
	index   uint32 // of the interface that it is bound to; 0: none
	options listenOptions
	tcp     *net.TCPListener
	done    chan struct{} // closed when accept has returned

	called func(caller netip.Addr) // is told of who comes from a prefix that is open

	mu    sync.Mutex           // guards what follows
	peers map[netip.Addr]*peer // by address without zone
	open  []netip.Prefix
}

// openListener makes the socket in the namespace of s.
func openListener(s *space, id identity, k listenKey, o listenOptions) (*listener, error) {
	l := &listener{key: k, options: o, done: make(chan struct{}), peers: make(map[netip.Addr]*peer)}
	fd := -1
	err := s.inside(id, func() (err error) {
		if l.index, err = k.index(); err != nil {
			return err
		}
		fd, err = listen(k, o)
		return err
	})
	if err != nil {
		return nil, listenError(s.name, k, err)
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close() // FileListener makes a descriptor of its own
	n, err := net.FileListener(f)
	if err != nil {
		return nil, listenError(s.name, k, err)
	}
	l.tcp = n.(*net.TCPListener)
	return l, nil
}

// index returns the index that the interface of a listening socket has now in
// the calling thread's namespace, 0 where it needs none.
func (k listenKey) index() (uint32, error) {
	switch {
	case k.device != "":
		return ifindex(k.device)
	case k.local.Zone() != "":
		return ifindex(k.local.Zone())
	}
	return 0, nil
}

// serve sets who is accepted, and with which options.
func (l *listener) serve(peers []*peer, open []netip.Prefix, o listenOptions) error {
	byAddr := make(map[netip.Addr]*peer, len(peers))
	for _, p := range peers {
		byAddr[p.n.Peer.WithZone("")] = p
	}
	l.mu.Lock()
	l.peers, l.open = byAddr, open
	l.mu.Unlock()
	before := l.options
	if err := control(l.tcp, func(fd int) error { return o.apply(fd, l.key.local.Is6(), before) }); err != nil {
		return err
	}
	l.options = o
	return nil
}

// accept takes connections until the socket is closed or ctx ends.
func (l *listener) accept(ctx context.Context, warn func(error)) {
	defer close(l.done)
	for {
		c, err := l.tcp.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: that passes.
			warn(err)
			pause := time.NewTimer(time.Second)
			select {
			case <-ctx.Done():
				pause.Stop()
				return
			case <-pause.C:
			}
			continue
		}
		if !l.take(c) {
			refuse(c)
		}
	}
}

// take gives a connection to the neighbour whose address it comes from. Nobody
// else's is taken: whatever reaches the BGP server comes from the configured
// peer in the configured namespace.
func (l *listener) take(c *net.TCPConn) bool {
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	from := remote.AddrPort().Addr().Unmap().WithZone("")
	l.mu.Lock()
	p := l.peers[from]
	open := p == nil && slices.ContainsFunc(l.open, func(prefix netip.Prefix) bool { return prefix.Contains(from) })
	l.mu.Unlock()
	if open {
		l.called(from)
	}
	if p == nil || tune(c, p.n) != nil {
		return false
	}
	return p.offer(c)
}

func (l *listener) close() {
	l.tcp.Close()
	<-l.done
}
