package devices

import (
	"context"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// watch follows exactly these namespaces.
func (p *pass) watch(ctx context.Context, spaces map[string]bool) {
	for netns, end := range p.watches {
		if !spaces[netns] {
			end()
			delete(p.watches, netns)
		}
	}
	for netns := range spaces {
		if p.watches[netns] == nil {
			within, end := context.WithCancel(ctx)
			p.watches[netns] = end
			p.joins.Go(func() { p.keeper.follow(within, netns) })
		}
	}
}

func (p *pass) close() {
	for _, end := range p.watches {
		end()
	}
	p.joins.Wait()
}

// follow has a namespace looked at whenever something happens there, until ctx ends.
func (k *Keeper) follow(ctx context.Context, netns string) {
	for said := ""; ctx.Err() == nil; {
		err := k.kernel.Follow(ctx, rib.Binding{Netns: netns}, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.look(netns)
		})
		if err == nil {
			continue
		}
		if said != err.Error() {
			k.log.Warn("what happens to VRF devices is not heard of; it is tried again", "netns", netns, "err", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryMost):
		}
	}
}
