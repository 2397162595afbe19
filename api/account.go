package api

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
)

// Upper bounds of the memory that gRPC takes for a client before anything of a request
// is read: the buffers and goroutines of a connection; of a stream its receive window
// (64 KiB), its unread answers (64 KiB), its metadata and goroutines.
const (
	connectionCost = 64 << 10
	streamCost     = 160 << 10
)

// expanded is how much larger a request of a tenant may be once it is decoded: an
// empty string in a list takes 2 bytes of a message, and 16 of memory.
const expanded = 8

// account counts the connections, calls and memory of one caller, over all of its connections.
type account struct {
	connections int // that are served
	refused     int // connections that get refusals alone
	streams     int
	memory      int // bytes
}

func (a *account) empty() bool { return *a == account{} }

// accounts are those of all callers. Their lock is also that of the connections: a
// connection and a call count in both.
type accounts struct {
	limits access.Limits

	mu     sync.Mutex          // guards the rest, the fields of guests, and the streams of each connection
	all    map[string]*account // by caller, of those that hold something
	memory int                 // bytes that they hold together
	freed  chan struct{}       // closed when an account gives memory back
}

func newAccounts(l access.Limits) *accounts {
	return &accounts{limits: l, all: make(map[string]*account), freed: make(chan struct{})}
}

// of returns the account of a caller. o.mu is held.
func (o *accounts) of(key string) *account {
	a := o.all[key]
	if a == nil {
		a = new(account)
		o.all[key] = a
	}
	return a
}

// settle drops an account that holds nothing. o.mu is held.
func (o *accounts) settle(key string) {
	if a := o.all[key]; a != nil && a.empty() {
		delete(o.all, key)
	}
}

// take charges a caller for memory, or says why it may not have it. The owner of the
// daemon, who could end it, is not charged. o.mu is held.
func (o *accounts) take(c *connection, n int) error {
	if c.caller.Owner {
		return nil
	}
	most := o.limits.Memory
	if !c.admin() {
		most -= access.Kept(most)
	}
	a := o.of(c.key)
	switch {
	case a.memory+n > o.limits.MemoryPerUser:
		return status.Errorf(codes.ResourceExhausted, "%s holds as much memory of the daemon's as one caller may (memory_per_user under [netlink.api.limits]); "+
			"finish calls that are under way, and read their answers", c.caller)
	case o.memory+n > most:
		return status.Error(codes.ResourceExhausted, "the clients of the API hold as much memory as they may (memory under [netlink.api.limits]); try again later")
	}
	a.memory += n
	o.memory += n
	return nil
}

// give takes a charge back. o.mu is held.
func (o *accounts) give(c *connection, n int) {
	if c.caller.Owner || n == 0 {
		return
	}
	o.of(c.key).memory -= n
	o.memory -= n
	o.settle(c.key)
	close(o.freed)
	o.freed = make(chan struct{})
}

// reserve takes memory as soon as it is free, until ctx ends or patience does.
func (o *accounts) reserve(ctx context.Context, c *connection, n int, patience time.Duration) error {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		o.mu.Lock()
		err, freed := o.take(c, n), o.freed
		o.mu.Unlock()
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
func (o *accounts) release(c *connection, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.give(c, n)
}
