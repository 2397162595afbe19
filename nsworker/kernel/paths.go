package kernel

import (
	"context"
	"log/slog"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// paths are the files of namespaces that Conns and awaits depend on.
type paths struct {
	log *slog.Logger

	mu   sync.Mutex // guards the rest; held while an inbox's is taken, not the reverse
	at   map[string]*users
	wake func() // of run's watch; nil while it does not run
}

// users are those who depend on the namespace at one path.
type users struct {
	conns     map[*Conn]struct{}
	underlays map[*Underlay]struct{}
	awaits    map[*await]struct{}
}

func newPaths(log *slog.Logger) *paths { return &paths{log: log, at: make(map[string]*users)} }

// run looks at all paths again whenever a directory or a mount changed, until ctx ends.
func (p *paths) run(ctx context.Context) error {
	w, err := newWatch()
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.wake = w.wake
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, w.wake)
	defer func() {
		stop()
		p.mu.Lock()
		p.wake = nil
		p.mu.Unlock()
		w.close()
	}()
	for ctx.Err() == nil {
		// Covered, then looked at: a change between the two is looked at twice.
		all := p.list()
		if err := w.cover(all); err != nil {
			return err
		}
		for _, path := range all {
			p.look(path)
		}
		if err := w.wait(); err != nil {
			return err
		}
	}
	return nil
}

func (p *paths) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]string, 0, len(p.at))
	for path := range p.at {
		all = append(all, path)
	}
	return all
}

// look compares the namespace that is at path now with the one that its users know.
func (p *paths) look(path string) {
	for _, a := range p.changed(path) {
		if err := a.look(); err != nil {
			p.log.Debug("a namespace came that cannot be opened", "netns", a.binding.Netns, "error", err)
		}
		// Open meets the error too, and its caller reports it. Where the namespace is still
		// absent, the reason is another: `ip netns del` unmounts first and removes the file
		// after that.
		a.signal()
	}
}

// changed ends the Conns of a namespace that is no longer at path, and returns the
// awaits for which another one is there.
func (p *paths) changed(path string) (changed []*await) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Under the lock, or a Conn that is opened meanwhile would be compared with the
	// namespace before its own.
	now := identify(path)
	u := p.at[path]
	if u == nil {
		return nil
	}
	for c := range u.conns {
		if by := lost(c.binding.Netns, c.where, now); by != "" {
			c.inbox.gone(by)
		}
	}
	for o := range u.underlays {
		if by := lost(o.netns, o.where, now); by != "" {
			o.inbox.gone(by)
		}
	}
	for a := range u.awaits {
		// An Open may have failed while the namespace was away: that the same one is there
		// again must not hide that it came.
		if a.last != now || now != (identity{}) && a.binding.Device == "" {
			a.last = now
			changed = append(changed, a)
		}
	}
	return changed
}

// lost says what became of the namespace called netns that is at where; "": it is at its path,
// where now is.
func lost(netns string, where rib.Where, now identity) string {
	switch {
	case now == identity{where.Dev, where.Inode}:
		return ""
	case now.dev != where.Dev:
		// Nothing, or the file that the namespace was mounted on: namespaces are all on one
		// device.
		return rib.NetnsText(netns) + " was removed"
	}
	return rib.NetnsText(netns) + " is another namespace now"
}

func (p *paths) addConn(c *Conn) {
	if c.path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users(c.path).conns[c] = struct{}{}
}

func (p *paths) addUnderlay(o *Underlay) {
	if o.path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users(o.path).underlays[o] = struct{}{}
}

func (p *paths) dropUnderlay(o *Underlay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.at[o.path]; u != nil {
		delete(u.underlays, o)
		p.tidy(o.path, u)
	}
}

func (p *paths) addAwait(a *await) {
	if a.path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a.last = identify(a.path)
	p.users(a.path).awaits[a] = struct{}{}
}

// users returns the users of path; mu is held.
func (p *paths) users(path string) *users {
	u := p.at[path]
	if u == nil {
		u = &users{conns: make(map[*Conn]struct{}), underlays: make(map[*Underlay]struct{}), awaits: make(map[*await]struct{})}
		p.at[path] = u
	}
	if p.wake != nil {
		p.wake()
	}
	return u
}

func (p *paths) dropConn(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.at[c.path]; u != nil {
		delete(u.conns, c)
		p.tidy(c.path, u)
	}
}

func (p *paths) dropAwait(a *await) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.at[a.path]; u != nil {
		delete(u.awaits, a)
		p.tidy(a.path, u)
	}
}

// tidy forgets a path without users; mu is held.
func (p *paths) tidy(path string, u *users) {
	if len(u.conns)+len(u.underlays)+len(u.awaits) > 0 {
		return
	}
	delete(p.at, path)
	if p.wake != nil {
		p.wake()
	}
}
