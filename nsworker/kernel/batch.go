package kernel

import (
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// batchSize is how many messages go into one system call. The refusals of
	// all of them must fit into replyBuffer together.
	batchSize  = 128
	batchBytes = 128 << 10 // the kernel takes what fits the send buffer, 208 KiB by default
)

// batch is what goes to the kernel in one system call: messages whose sequence numbers
// follow each other from first on, and the change that each one makes.
type batch struct {
	first   uint32
	changes []int // indexes, by message: a change of an endpoint takes several
	bytes   []byte
	last    int // where in bytes the last message begins
}

// begin empties the batch.
func (b *batch) begin(c *client) {
	b.changes, b.bytes = b.changes[:0], b.bytes[:0]
	c.reserve(batchSize)
}

// add appends the message of a change, which is the one at index. There is no room
// where the message would make the batch too large; a change that cannot be put into a
// message is an error and takes no place.
func (b *batch) add(c *client, ch *rib.Change, index int, table uint32, protocol uint8) (room bool, err error) {
	before := len(b.bytes)
	b.bytes, err = appendChange(b.bytes, ch, table, protocol, b.number(c))
	if err != nil {
		c.seq-- // the numbers of a batch have no gap
		return true, err
	}
	if before > 0 && len(b.bytes) > batchBytes {
		b.bytes = b.bytes[:before]
		c.seq--
		return false, nil
	}
	b.changes, b.last = append(b.changes, index), before
	return true, nil
}

// number is the sequence number of the next message.
func (b *batch) number(c *client) uint32 {
	seq := c.next()
	if len(b.changes) == 0 {
		b.first = seq
	}
	return seq
}

// addEntries appends the messages of a change of an endpoint, all of them or none.
func (b *batch) addEntries(c *client, steps []entryChange, index int, protocol uint8) (room bool) {
	const largest = 128 // of such a message
	if len(b.changes)+len(steps) > batchSize || len(b.bytes) > batchBytes-len(steps)*largest {
		return false
	}
	for i := range steps {
		b.last = len(b.bytes)
		b.bytes = appendEntryChange(b.bytes, &steps[i], protocol, b.number(c))
		b.changes = append(b.changes, index)
	}
	return true
}

// end asks for the acknowledgement of the last message, which stands for all.
func (b *batch) end() {
	if len(b.changes) > 0 {
		askAck(b.bytes[b.last:])
	}
}

// commit sends the batch and takes in the answer. The kernel works through the
// messages in their order, says each refusal, and acknowledges the last, which
// alone asked for it: a change that is not refused by then is made. It cannot lose a
// refusal in silence, because a full receive buffer is an ENOBUFS at the next
// receive, before the messages that did fit.
func (b *batch) commit(c *client, changes []rib.Change, errs []error) error {
	if len(b.changes) == 0 {
		return nil
	}
	if err := c.send(b.bytes); err != nil {
		return err
	}
	for answered := false; !answered; {
		err := c.receive(func(reply []byte) error {
			for len(reply) > 0 {
				m, rest, err := nextMessage(reply)
				if err != nil {
					return err
				}
				reply = rest
				// Unsigned, so that an earlier number is out of range too.
				n := m.seq - b.first
				if m.typ != unix.NLMSG_ERROR || m.port != c.port || n >= uint32(len(b.changes)) {
					continue
				}
				i := b.changes[n]
				refused, err := verdict(m, &changes[i])
				if err != nil {
					return err
				}
				if errs[i] == nil { // of a change of several messages the first refusal
					errs[i] = refused
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

// verdict reads the acknowledgement or refusal of one change.
func verdict(m message, c *rib.Change) (refused, failed error) {
	errno, text, err := m.status()
	switch {
	case err != nil:
		return nil, err
	case errno == 0, c.Op == rib.OpDelete && errno == unix.ESRCH, c.Op == rib.OpDeleteNexthop && errno == unix.ENOENT:
		return nil, nil
	case c.Op == rib.OpDeleteEndpoint && (errno == unix.ENOENT || errno == unix.ENODEV): // the entry, or its device, is gone
		return nil, nil
	}
	return &Error{Op: c.Op, Route: c.Route, Nexthop: c.Nexthop.ID, Endpoint: c.Endpoint, Errno: errno, Text: text, encap: encapOf(c)}, nil
}
