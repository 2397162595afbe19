package api

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
)

// What gRPC takes for a client before anything of a request is read, as an upper
// bound: the buffers and goroutines of a connection; of a stream its receive window
// (64 KiB), what it may have sent that the client does not read (64 KiB), its
// metadata and goroutines.
const (
	connectionCost = 64 << 10
	streamCost     = 160 << 10
)

// expanded is how much larger a request of a tenant may be once it is decoded: an
// empty string in a list takes 2 bytes of a message, and 16 of memory.
const expanded = 8

// account is what one caller holds, over all of its connections.
type account struct {
	connections int // those that are served
	refused     int // those that get refusals alone
	streams     int
	memory      int // bytes
}

func (a *account) empty() bool { return *a == account{} }

// account returns that of a caller. d.mu is held.
func (d *Door) account(key string) *account {
	a := d.accounts[key]
	if a == nil {
		a = new(account)
		d.accounts[key] = a
	}
	return a
}

// settle drops an account that holds nothing. d.mu is held.
func (d *Door) settle(key string) {
	if a := d.accounts[key]; a != nil && a.empty() {
		delete(d.accounts, key)
	}
}

// take charges a caller for memory, or says why it may not have it. The owner of the
// daemon, who could end it, is not charged. d.mu is held.
func (d *Door) take(c *connection, n int) error {
	if c.caller.Owner {
		return nil
	}
	most := d.limits.Memory
	if !c.admin() {
		most -= access.Kept(most)
	}
	a := d.account(c.key)
	switch {
	case a.memory+n > d.limits.MemoryPerUser:
		return status.Errorf(codes.ResourceExhausted, "%s holds as much memory of the daemon's as one caller may (memory_per_user under [netlink.api.limits]); "+
			"finish calls that are under way, and read their answers", c.caller)
	case d.memory+n > most:
		return status.Error(codes.ResourceExhausted, "the clients of the API hold as much memory as they may (memory under [netlink.api.limits]); try again later")
	}
	a.memory += n
	d.memory += n
	return nil
}

// give takes a charge back. d.mu is held.
func (d *Door) give(c *connection, n int) {
	if c.caller.Owner || n == 0 {
		return
	}
	d.account(c.key).memory -= n
	d.memory -= n
	d.settle(c.key)
	close(d.freed)
	d.freed = make(chan struct{})
}

// reserve takes memory as soon as it is there, until ctx ends or patience does.
func (d *Door) reserve(ctx context.Context, c *connection, n int, patience time.Duration) error {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		d.mu.Lock()
		err, freed := d.take(c, n), d.freed
		d.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-end.C:
			return err
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// release takes a charge back.
func (d *Door) release(c *connection, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.give(c, n)
}

// full says why a connection may not be served; "": it may. d.mu is held.
func (d *Door) full(c *connection) string {
	a := d.account(c.key)
	if a.connections >= d.limits.ConnectionsPerUser {
		return fmt.Sprintf("%s has %d connections open already, which is the limit (connections_per_user under [netlink.api.limits]); close some", c.caller, a.connections)
	}
	most := d.limits.Connections
	switch served := len(d.open) - d.refused; {
	case c.caller.Owner:
		return ""
	case !c.admin():
		most -= access.Kept(most)
		fallthrough
	default:
		if served < most || d.evict(a.connections) {
			return ""
		}
		return fmt.Sprintf("%d connections are open already, which is the limit (connections under [netlink.api.limits]); try again later", served)
	}
}

// evict ends a connection without a call under way, the longest idle one of the
// caller that has most, for one of a caller that has fewer by two. d.mu is held.
func (d *Door) evict(have int) bool {
	var out *connection
	for c := range d.open {
		if c.refusal != nil || c.caller.Owner || c.busy > 0 || d.accounts[c.key].connections < have+2 {
			continue
		}
		if out == nil || d.accounts[c.key].connections > d.accounts[out.key].connections ||
			c.key == out.key && c.since.Before(out.since) {
			out = c
		}
	}
	if out == nil {
		return false
	}
	d.drop(out)
	go out.Conn.Close() // which over TLS may wait for its client
	return true
}
