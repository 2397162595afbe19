package kernel

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// batchSize is how many messages go into one system call. The refusals of
	// all of them must fit into replyBuffer together.
	batchSize  = 128
	batchBytes = 128 << 10 // the kernel takes what fits the send buffer, 208 KiB by default
)

// batch is what is under way in one system call: the change that each sequence
// number from first on belongs to.
type batch struct {
	first   uint32
	changes []int // indexes
	bytes   []byte
	last    int // where in bytes the last message begins
}

// Apply makes changes in their order, and goes on after one that fails. The
// answer has one error for each, nil where the kernel confirmed it; an *Error
// where it refused. The second result is a failure of the whole: nothing is
// known then, and the table must be read again. A change to a route of another
// protocol than the Conn's is refused without asking the kernel.
func (c *Conn) Apply(ctx context.Context, changes []rib.Change) ([]error, error) {
	errs := make([]error, len(changes))
	release, err := c.sock.within(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := c.sock.settle(); err != nil {
		return nil, fmt.Errorf("write to %s: %w", c.text, lapse(ctx, err))
	}
	c.expect(changes)
	for done := 0; done < len(changes); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		done = c.encode(changes, done, errs)
		if err := c.commit(changes, errs); err != nil {
			return nil, fmt.Errorf("write to %s: %w", c.text, lapse(ctx, err))
		}
	}
	return errs, nil
}

// encode fills the batch with changes from the index next on, as many as go
// into one system call, and returns the index after them.
func (c *Conn) encode(changes []rib.Change, next int, errs []error) int {
	b := &c.batch
	b.changes, b.bytes = b.changes[:0], b.bytes[:0]
	c.sock.reserve(batchSize)
	for ; next < len(changes) && len(b.changes) < batchSize; next++ {
		ch := &changes[next]
		if errs[next] = c.mayChange(ch); errs[next] != nil {
			continue
		}
		seq := c.sock.next()
		if len(b.changes) == 0 {
			b.first = seq
		}
		before := len(b.bytes)
		b.bytes, errs[next] = appendChange(b.bytes, ch, c.where.Table, c.protocol, seq)
		if errs[next] != nil {
			c.sock.seq-- // the numbers of a batch have no gap
			continue
		}
		if before > 0 && len(b.bytes) > batchBytes {
			b.bytes = b.bytes[:before]
			c.sock.seq--
			break
		}
		b.changes, b.last = append(b.changes, next), before
	}
	if len(b.changes) > 0 {
		askAck(b.bytes[b.last:])
	}
	return next
}

// mayChange refuses a change of what is not ours.
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

func isNexthop(op rib.Op) bool {
	return op == rib.OpAddNexthop || op == rib.OpReplaceNexthop || op == rib.OpDeleteNexthop
}

// commit sends the batch and takes in the answer. The kernel works through the
// messages in their order, says each refusal, and acknowledges the last, which
// alone asked for it: what is not refused by then is done. It cannot lose a
// refusal in silence, because a full receive buffer is an ENOBUFS at the next
// receive, before anything that did fit.
func (c *Conn) commit(changes []rib.Change, errs []error) error {
	b := &c.batch
	if len(b.changes) == 0 {
		return nil
	}
	if err := c.sock.send(b.bytes); err != nil {
		return err
	}
	for answered := false; !answered; {
		err := c.sock.receive(func(reply []byte) error {
			for len(reply) > 0 {
				m, rest, err := nextMessage(reply)
				if err != nil {
					return err
				}
				reply = rest
				// Unsigned, so that an earlier number is out of range too.
				n := m.seq - b.first
				if m.typ != unix.NLMSG_ERROR || m.port != c.sock.port || n >= uint32(len(b.changes)) {
					continue
				}
				i := b.changes[n]
				if errs[i], err = verdict(m, &changes[i]); err != nil {
					return err
				}
				answered = n == uint32(len(b.changes))-1
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// verdict is what an acknowledgement says of one change.
func verdict(m message, c *rib.Change) (refused, failed error) {
	errno, text, err := m.status()
	switch {
	case err != nil:
		return nil, err
	case errno == 0, c.Op == rib.OpDelete && errno == unix.ESRCH, c.Op == rib.OpDeleteNexthop && errno == unix.ENOENT:
		return nil, nil
	}
	return &Error{Op: c.Op, Route: c.Route, Nexthop: c.Nexthop.ID, Errno: errno, Text: text}, nil
}

// probe finds out whether we may write, with a delete of a route type that does
// not exist: the kernel looks at the capability first.
func (s *sock) probe(ctx context.Context, ns *namespace) error {
	release, err := s.within(ctx)
	if err != nil {
		return err
	}
	defer release()
	seq := s.next()
	b := beginMessage(nil, unix.RTM_DELROUTE, unix.NLM_F_REQUEST|unix.NLM_F_ACK, seq)
	b = append(b, unix.AF_INET, 0, 0, 0, unix.RT_TABLE_UNSPEC, 0, unix.RT_SCOPE_NOWHERE, 0xff, 0, 0, 0, 0)
	if err := s.send(endMessage(b, 0)); err != nil {
		return fmt.Errorf("ask for permission to change routes in %v: %w", ns, err)
	}
	answered := false
	for !answered {
		err := s.receive(func(b []byte) error {
			m, _, err := nextMessage(b)
			if err != nil || m.seq != seq {
				return err
			}
			answered = true
			errno, _, err := m.status()
			if errno == unix.EPERM || errno == unix.EACCES {
				return fmt.Errorf("no permission to change routes in %v: %w: run with CAP_NET_ADMIN there", ns, errno)
			}
			return err
		})
		if err != nil {
			return lapse(ctx, err)
		}
	}
	return nil
}
