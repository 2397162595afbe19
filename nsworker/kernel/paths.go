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
	bound  map[*bound]struct{}
	awaits map[*await]struct{}
}

// bound is who has something open in the namespace at a path, and is told of its end.
type bound struct {
	path  string // of the namespace's file; "": the daemon's own
	netns string // as configured
	where rib.Where
	inbox *inbox
}

// lost says what became of the namespace; "": it is at its path, where now is.
func (b *bound) lost(now identity) string {
	switch {
	case now == identity{b.where.Dev, b.where.Inode}:
		return ""
	case now.dev != b.where.Dev:
		// Nothing, or the file that the namespace was mounted on: namespaces are all on one
		// device.
		return rib.NetnsText(b.netns) + " was removed"
	}
	return rib.NetnsText(b.netns) + " is another namespace now"
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

// changed ends what is bound to a namespace that is no longer at path, and returns the
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
	for b := range u.bound {
		if by := b.lost(now); by != "" {
			b.inbox.gone(by)
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

func (p *paths) add(b *bound) {
	if b.path == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users(b.path).bound[b] = struct{}{}
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
		u = &users{bound: make(map[*bound]struct{}), awaits: make(map[*await]struct{})}
		p.at[path] = u
	}
	if p.wake != nil {
		p.wake()
	}
	return u
}

func (p *paths) drop(b *bound) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.at[b.path]; u != nil {
		delete(u.bound, b)
		p.tidy(b.path, u)
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
	if len(u.bound)+len(u.awaits) > 0 {
		return
	}
	delete(p.at, path)
	if p.wake != nil {
		p.wake()
	}
}
