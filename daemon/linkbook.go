package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// linkBook knows the addresses of tenants of which templates ask for them. They are read again when
// they may have changed.
type linkBook struct {
	host tenantKernel
	wake func() // is called when some may have changed
	log  *slog.Logger

	mu    sync.Mutex // not held while a page's is
	known map[rib.Tenant]*linkPage
}

// linkPage is one tenant's.
type linkPage struct {
	stop func() // ends the watch, and joins it

	mu      sync.Mutex
	fresh   bool           // guarded by mu: nothing has changed since the addresses were read
	addrs   []netip.Prefix // guarded by mu
	failing bool           // guarded by mu: it was said that they cannot be read
}

func newLinkBook(host tenantKernel, wake func(), log *slog.Logger) *linkBook {
	return &linkBook{host: host, wake: wake, log: log, known: make(map[rib.Tenant]*linkPage)}
}

// of returns the addresses of a tenant; what cannot be read is read again at its next change.
func (b *linkBook) of(ctx context.Context, t rib.Tenant) []netip.Prefix {
	page := b.page(t)
	page.mu.Lock()
	defer page.mu.Unlock()
	if page.fresh {
		return page.addrs
	}
	page.fresh = true
	list, err := b.host.Addresses(ctx, t)
	if err != nil {
		if !page.failing {
			b.log.Warn("the addresses of a tenant cannot be read, so that its neighbours are not known", "vrf", t.Name, "err", err)
		}
		page.failing = true
		return page.addrs
	}
	page.addrs, page.failing = list, false
	return page.addrs
}

// page is that of a tenant, whose addresses are watched from then on.
func (b *linkBook) page(t rib.Tenant) *linkPage {
	b.mu.Lock()
	defer b.mu.Unlock()
	page := b.known[t]
	if page == nil {
		page = &linkPage{}
		b.known[t] = page
		b.watch(t, page)
	}
	return page
}

// watch follows the addresses of a tenant until its page is torn out.
func (b *linkBook) watch(t rib.Tenant, page *linkPage) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	page.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		err := b.host.WatchAddresses(ctx, t, func() {
			page.mu.Lock()
			page.fresh = false
			page.mu.Unlock()
			b.wake()
		})
		if err != nil && ctx.Err() == nil && !errors.Is(err, rib.ErrAbsent) {
			b.log.Warn("the addresses of a tenant are not watched, so that its neighbours stay as they are", "vrf", t.Name, "err", err)
		}
	}()
}

// only forgets all other tenants.
func (b *linkBook) only(list []rib.Tenant) {
	wanted := make(map[rib.Tenant]bool, len(list))
	for _, t := range list {
		wanted[t] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for t, page := range b.known {
		if !wanted[t] {
			page.stop()
			delete(b.known, t)
		}
	}
}

func (b *linkBook) end() { b.only(nil) }

// tenantKernel is this machine, as far as templates may match what is there.
type tenantKernel interface {
	// List returns the namespaces below /run/netns, those at paths, and the VRF devices of the
	// daemon's own namespace.
	List(ctx context.Context, paths []string) ([]rib.Tenant, error)
	// Watch signals changed whenever List may have another answer, until ctx ends.
	Watch(ctx context.Context, changed chan<- struct{}) error
	// Addresses are those of the interfaces of a tenant, the interfaces in the order of their numbers.
	Addresses(ctx context.Context, t rib.Tenant) ([]netip.Prefix, error)
	// WatchAddresses signals changed whenever Addresses may have another answer, until ctx ends.
	WatchAddresses(ctx context.Context, t rib.Tenant, changed func()) error
}
