package api

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/vrfredist/vrfredist/api/access"
)

// connection is one client's. It is the AuthInfo by which each call finds it
// again, and counts until it is closed.
type connection struct {
	net.Conn
	credentials.CommonAuthInfo
	door    *Door
	caller  access.Caller
	self    bool   // this process: what it announces to GoBGP
	refusal string // why every call is refused; "": it is not
	calls   atomic.Int64
	left    sync.Once
}

// AuthType implements credentials.AuthInfo.
func (c *connection) AuthType() string { return "vrfredist" }

// Read implements net.Conn. After an error nobody uses the connection any more,
// and gRPC does not always close it: of one that fails before its first call it
// closes the one below.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.leave()
	}
	return n, err
}

// Write implements net.Conn.
func (c *connection) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		c.leave()
	}
	return n, err
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *connection) leave() { c.left.Do(func() { c.door.forget(c) }) }

// refusedFor is how long a connection over the limit is kept, so that its client
// hears why.
const refusedFor = 5 * time.Second

// admit counts a connection. Of those over a limit some are let in to be refused
// call by call, because a client makes nothing of a connection that is closed.
func (d *Door) admit(c *connection) error {
	if c.self {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := c.caller.Key()
	served := len(d.open) - d.refused
	switch {
	case d.byUser[key] >= d.limits.ConnectionsPerUser:
		c.refusal = fmt.Sprintf("%s has %d connections open already, which is the limit (connections_per_user under [netlink.api.limits]); close some", c.caller, d.byUser[key])
	case served >= d.limits.Connections:
		c.refusal = fmt.Sprintf("%d connections are open already, which is the limit (connections under [netlink.api.limits]); try again later", served)
	}
	if c.refusal != "" {
		if d.refused >= maxRefused {
			return errors.New(c.refusal)
		}
		d.refused++
		time.AfterFunc(refusedFor, func() { c.Close() })
	} else {
		d.byUser[key]++
	}
	d.open[c] = struct{}{}
	return nil
}

// forget gives the place of a connection back.
func (d *Door) forget(c *connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.open[c]; !there {
		return
	}
	delete(d.open, c)
	if c.refusal != "" {
		d.refused--
		return
	}
	key := c.caller.Key()
	if d.byUser[key]--; d.byUser[key] == 0 {
		delete(d.byUser, key)
	}
}
