package api

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
)

// maxRefused is how many refused connections are told the reason at a time, and
// maxRefusedPerUser how many of one caller. Any beyond them is closed without a word.
const (
	maxRefused        = 64
	maxRefusedPerUser = 16
)

// guests are the open connections.
type guests struct {
	accounts *accounts
	open     map[*connection]struct{} // guarded by accounts.mu
	refused  int                      // guarded by accounts.mu; connections in open that get refusals alone
}

func newGuests(a *accounts) *guests {
	return &guests{accounts: a, open: make(map[*connection]struct{})}
}

// over returns the open connections whose callers came that way.
func (g *guests) over(w access.Way) (found []*connection) {
	g.accounts.mu.Lock()
	defer g.accounts.mu.Unlock()
	for c := range g.open {
		if c.caller.Way == w {
			found = append(found, c)
		}
	}
	return found
}

// refusedFor is how long a refused connection is kept, so that its client hears why.
const refusedFor = 5 * time.Second

// admit counts a connection. Where it is refused, because its caller has no role or
// there are too many, it may be let in to be refused call by call: a client can show no
// reason for a connection that is closed.
func (g *guests) admit(c *connection) error {
	grant := c.grant()
	g.accounts.mu.Lock()
	defer g.accounts.mu.Unlock()
	if grant.None() {
		c.refusal = status.Error(codes.PermissionDenied, access.NoRole(c.caller).Error())
	} else if why := g.full(c); why != "" {
		c.refusal = status.Error(codes.ResourceExhausted, why)
	} else if err := g.accounts.take(c, connectionCost); err != nil {
		c.refusal = err
	}
	a := g.accounts.of(c.key)
	defer g.accounts.settle(c.key)
	if c.refusal != nil {
		if g.refused >= maxRefused || a.refused >= maxRefusedPerUser {
			return c.refusal
		}
		g.refused++
		a.refused++
		time.AfterFunc(refusedFor, func() { c.Close() })
	} else {
		a.connections++
	}
	g.open[c] = struct{}{}
	return nil
}

// forget gives the place of a connection back, and the memory of its streams.
func (g *guests) forget(c *connection) {
	g.accounts.mu.Lock()
	defer g.accounts.mu.Unlock()
	g.drop(c)
	c.gone = true
	for id := range c.streams {
		c.end(id)
	}
}

// drop gives the place of a connection back. accounts.mu is held.
func (g *guests) drop(c *connection) {
	if _, there := g.open[c]; !there {
		return
	}
	delete(g.open, c)
	a := g.accounts.of(c.key)
	if c.refusal != nil {
		g.refused--
		a.refused--
	} else {
		a.connections--
		g.accounts.give(c, connectionCost)
	}
	g.accounts.settle(c.key)
}

// full says why a connection may not be served; "": it may. accounts.mu is held.
func (g *guests) full(c *connection) string {
	a := g.accounts.of(c.key)
	if a.connections >= g.accounts.limits.ConnectionsPerUser {
		return fmt.Sprintf("%s has %d connections open already, which is the limit (connections_per_user under [netlink.api.limits]); close some", c.caller, a.connections)
	}
	most := g.accounts.limits.Connections
	switch served := len(g.open) - g.refused; {
	case c.caller.Owner:
		return ""
	case !c.admin():
		most -= access.Kept(most)
		fallthrough
	default:
		if served < most || g.evict(a.connections) {
			return ""
		}
		return fmt.Sprintf("%d connections are open already, which is the limit (connections under [netlink.api.limits]); try again later", served)
	}
}

// evict makes room for a caller with so many connections: it ends the longest idle
// connection of the caller that has most, where that has at least two more. accounts.mu
// is held.
func (g *guests) evict(have int) bool {
	var out *connection
	for c := range g.open {
		if c.refusal != nil || c.caller.Owner || c.busy > 0 || g.accounts.all[c.key].connections < have+2 {
			continue
		}
		if out == nil || g.accounts.all[c.key].connections > g.accounts.all[out.key].connections ||
			c.key == out.key && c.since.Before(out.since) {
			out = c
		}
	}
	if out == nil {
		return false
	}
	g.drop(out)
	go out.Conn.Close() // which over TLS may wait for its client
	return true
}
