package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// lookAgain is how often a namespace is looked at without being told to.
const lookAgain = 30 * time.Second

// errOther says that a name now belongs to another namespace.
var errOther = errors.New("it is another namespace now")

// space is one namespace and the goroutine that keeps its neighbours.
type space struct {
	relay *Relay
	name  string
	retry chan struct{}
	again chan struct{} // signalled when wanted changed
	end   context.CancelFunc
	done  chan struct{} // closed when run has returned

	mu     sync.Mutex // guards what follows
	wanted []*entry
	doors  []rib.Doorway
}

func newSpace(r *Relay, name string) *space {
	return &space{
		relay: r,
		name:  name,
		retry: make(chan struct{}, 1),
		again: make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
}

func (s *space) start(ctx context.Context) {
	ctx, s.end = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
}

func (s *space) stop() {
	s.end()
	<-s.done
}

func (s *space) want(entries []*entry, doors []rib.Doorway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted, s.doors = entries, doors
	signal(s.again)
}

func (s *space) entries() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// open are the prefixes from which somebody may begin a session, by where it is listened.
func (s *space) open() map[listenKey][]netip.Prefix {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make(map[listenKey][]netip.Prefix)
	for _, d := range s.doors {
		k := neighbor{rib.Neighbor{Local: d.Local}}.listenKey()
		open[k] = append(open[k], d.From)
	}
	return open
}

// inside runs f on a thread in the namespace, if that is still the one of id.
func (s *space) inside(id identity, f func() error) error {
	err := s.relay.inNetns(s.name, func() error {
		at, err := here()
		if err != nil {
			return err
		}
		if at != id {
			return errOther
		}
		return f()
	})
	if errors.Is(err, errOther) {
		signal(s.retry)
	}
	return err
}

// run lives through one life of the namespace after the other.
func (s *space) run(ctx context.Context) {
	retry := backoff{most: lookAgain}
	for {
		var id identity
		err := s.relay.inNetns(s.name, func() (err error) {
			id, err = here()
			return err
		})
		if err == nil {
			retry.reset()
			err = s.live(ctx, id)
		}
		if ctx.Err() != nil {
			return
		}
		s.lost(err)
		wait := time.NewTimer(retry.next())
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-s.retry:
			retry.reset()
		case <-s.again:
		}
		wait.Stop()
	}
}

// lost tells all neighbours that the namespace cannot be entered.
func (s *space) lost(err error) {
	for _, e := range s.entries() {
		e.fail(StateAbsent, &reason{fmt.Sprintf("no session with %v: %v", e.n, err), err})
	}
}

// life is a namespace that is there.
type life struct {
	*space
	id        identity
	peers     map[*entry]*peer
	listeners map[listenKey]*listener
}

// live keeps the neighbours until the namespace is gone, another, or ctx ends.
func (s *space) live(ctx context.Context, id identity) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { s.watchLinks(ctx) })
	l := &life{space: s, id: id, peers: make(map[*entry]*peer), listeners: make(map[listenKey]*listener)}
	defer l.close()
	defer cancel()
	retry := backoff{most: lookAgain}
	for {
		look := time.NewTimer(lookAgain)
		if l.arrange(ctx) {
			retry.reset()
		} else {
			look.Reset(max(retry.next(), firstDelay/2))
		}
		select {
		case <-ctx.Done():
			look.Stop()
			return nil
		case <-s.again:
		case <-look.C:
		case <-s.retry:
			retry.reset()
			for _, p := range l.peers {
				signal(p.wake)
			}
		}
		look.Stop()
		if err := l.look(); err != nil {
			return err
		}
	}
}

// watchLinks ends the sessions that go over a link when that goes, and has their peers dialled
// at once when it is back, until ctx ends. Without it a session ends with its hold time.
func (s *space) watchLinks(ctx context.Context) {
	told := func(l rib.LinkFate) {
		for _, e := range s.entries() {
			if e.linkChanged(&l, s.relay.endAfter) {
				signal(s.retry)
			}
		}
	}
	retry := backoff{most: lookAgain, delay: firstDelay}
	for ctx.Err() == nil {
		if err := s.relay.sockets.WatchLinks(ctx, s.name, told); err != nil && ctx.Err() == nil {
			s.relay.log.Warn("the links of BGP neighbours are not watched, so that their sessions last for the hold time where one goes", "netns", s.name, "error", err)
		}
		wait := time.NewTimer(retry.next())
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

func (l *life) close() {
	for _, ln := range l.listeners {
		ln.close()
	}
	for _, p := range l.peers {
		p.stop()
	}
}

// look makes sure that the namespace is still there and the same, and drops
// listening sockets whose interface is another one now.
func (l *life) look() error {
	var stale []*listener
	err := l.inside(l.id, func() error {
		for _, ln := range l.listeners {
			if index, err := ln.key.index(); err != nil || index != ln.index {
				stale = append(stale, ln)
			}
		}
		return nil
	})
	for _, ln := range stale {
		delete(l.listeners, ln.key)
		ln.close()
	}
	return err
}

// arrange brings peers and listening sockets to what is wanted. It tells
// whether all of them listen.
func (l *life) arrange(ctx context.Context) bool {
	wanted := make(map[*entry]struct{})
	byKey := make(map[listenKey][]*entry)
	for _, e := range l.entries() {
		wanted[e] = struct{}{}
		k := e.n.listenKey()
		byKey[k] = append(byKey[k], e)
	}
	open := l.open()
	for k := range open {
		byKey[k] = append([]*entry{}, byKey[k]...)
	}
	for k, ln := range l.listeners {
		if byKey[k] == nil {
			delete(l.listeners, k)
			ln.close()
		}
	}
	for e, p := range l.peers {
		if _, stays := wanted[e]; !stays {
			delete(l.peers, e)
			p.stop()
		}
	}
	well := true
	for k, entries := range byKey {
		peers := make([]*peer, len(entries))
		for i, e := range entries {
			if l.peers[e] == nil {
				l.peers[e] = startPeer(ctx, l.space, l.id, e)
			}
			peers[i] = l.peers[e]
		}
		err := l.listen(ctx, k, peers, open[k])
		for _, p := range peers {
			p.listenFail(err)
		}
		well = well && err == nil
	}
	return well
}

// listen opens or adjusts the listening socket of peers.
func (l *life) listen(ctx context.Context, k listenKey, peers []*peer, open []netip.Prefix) error {
	neighbors := make([]neighbor, len(peers))
	for i, p := range peers {
		neighbors[i] = p.n
	}
	if len(open) > 0 {
		neighbors = append(neighbors, neighbor{}) // whoever comes has to get through
	}
	options := optionsFor(neighbors)
	ln := l.listeners[k]
	if ln == nil {
		var err error
		if ln, err = openListener(l.space, l.id, k, options); err != nil {
			return err
		}
		ln.called = func(caller netip.Addr) { l.relay.called(l.name, caller) }
		l.listeners[k] = ln
		go ln.accept(ctx, func(err error) {
			for _, p := range peers {
				p.listenFail(listenError(l.name, k, err))
			}
		})
	}
	if err := ln.serve(peers, open, options); err != nil {
		return listenError(l.name, k, err)
	}
	return nil
}
