package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Apply makes changes in their order, and goes on after a refused change. The
// answer has one error for each, nil where the kernel confirmed the change, an *Error
// where it refused. The second result is a failure of the whole: it is not known then
// which changes were made, and the table must be read again. A change to a route of
// another protocol than the Conn's is refused without asking the kernel.
func (c *Conn) Apply(ctx context.Context, changes []rib.Change) ([]error, error) {
	errs := make([]error, len(changes))
	for from := 0; from < len(changes); {
		to := from + apart(changes[from:])
		err := c.write(ctx, changes[from:to], errs[from:to])
		if err == nil {
			err = c.again(ctx, changes[from:to], errs[from:to])
		}
		if err != nil {
			return nil, err
		}
		from = to
	}
	return errs, nil
}

// write makes changes. errs, one for each, is what came of them.
func (c *Conn) write(ctx context.Context, changes []rib.Change, errs []error) error {
	plans, err := planEndpoints(ctx, c.sock, &c.endpoints, changes, errs)
	if err != nil {
		return fmt.Errorf("write to %s: %w", c.text, err)
	}
	if err := findGateways(ctx, c.sock, changes); err != nil {
		return fmt.Errorf("write to %s: %w", c.text, err)
	}
	release, err := c.sock.within(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := c.sock.settle(); err != nil {
		return fmt.Errorf("write to %s: %w", c.text, lapse(ctx, err))
	}
	c.inbox.expect(changes)
	for done := 0; done < len(changes); {
		if err := ctx.Err(); err != nil {
			return err
		}
		done = c.encode(changes, done, plans, errs)
		if err := c.batch.commit(c.sock, changes, errs); err != nil {
			return fmt.Errorf("write to %s: %w", c.text, lapse(ctx, err))
		}
	}
	return nil
}

// againMost is how often an endpoint is tried again where the kernel had an entry that was not
// there a moment before: it makes one for a gateway whenever a packet goes there.
const againMost = 2

// again tries those endpoints again that met an entry which came after they were looked at, and
// notes which were refused.
func (c *Conn) again(ctx context.Context, changes []rib.Change, errs []error) error {
	for i := range changes {
		ch := &changes[i]
		if errs[i] == nil || !isEndpoint(ch.Op) {
			continue
		}
		for try := 0; try < againMost && errors.Is(errs[i], unix.EEXIST); try++ {
			errs[i] = nil
			if err := c.write(ctx, changes[i:i+1], errs[i:i+1]); err != nil {
				return err
			}
		}
		if errs[i] != nil {
			c.endpoints.refused(&ch.Endpoint)
		}
		if taken := new(takenError); errors.As(errs[i], &taken) {
			taken.link = c.mon.linkName(ch.Endpoint.Ifindex)
		}
	}
	return nil
}

// encode fills the batch with changes from the index next on, as many as go
// into one system call, and returns the index after them.
func (c *Conn) encode(changes []rib.Change, next int, plans map[int][]entryChange, errs []error) int {
	b := &c.batch
	b.begin(c.sock)
	for ; next < len(changes) && len(b.changes) < batchSize; next++ {
		ch := &changes[next]
		if isEndpoint(ch.Op) {
			if errs[next] == nil && !b.addEntries(c.sock, plans[next], next, c.protocol) {
				break
			}
			continue
		}
		if errs[next] = c.mayChange(ch); errs[next] != nil {
			continue
		}
		var room bool
		if room, errs[next] = b.add(c.sock, ch, next, c.where.Table, c.protocol); !room {
			break
		}
	}
	b.end()
	return next
}

// mayChange refuses a change of a route or nexthop object that is not ours.
func (c *Conn) mayChange(ch *rib.Change) error {
	if isNexthop(ch.Op) {
		if ch.Op != rib.OpAddNexthop && c.mon.othersNexthop(ch.Nexthop.ID, c.protocol) {
			return fmt.Errorf("cannot %v %d: another program has a nexthop object with this id", ch.Op, ch.Nexthop.ID)
		}
		return nil
	}
	if p := ch.Route.Protocol; p != c.protocol {
		return fmt.Errorf("cannot %v %v: it has the route protocol %d and ours is %d", ch.Op, ch.Route.Prefix, p, c.protocol)
	}
	return nil
}

// probe finds out whether we may write, with a delete of a route type that does
// not exist: the kernel looks at the capability first.
func probe(ctx context.Context, c *client, ns *namespace) error {
	body := []byte{unix.AF_INET, 0, 0, 0, unix.RT_TABLE_UNSPEC, 0, unix.RT_SCOPE_NOWHERE, 0xff, 0, 0, 0, 0}
	errno, _, err := c.do(ctx, unix.RTM_DELROUTE, 0, body)
	switch {
	case err != nil:
		return fmt.Errorf("ask for permission to change routes in %v: %w", ns, err)
	case errno == unix.EPERM || errno == unix.EACCES:
		return fmt.Errorf("no permission to change routes in %v: %w: run with CAP_NET_ADMIN there", ns, errno)
	}
	return nil
}
