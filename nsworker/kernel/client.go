package kernel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// client is a socket that asks the kernel, one request at a time.
type client struct {
	*sock
	seq     uint32 // of the last request
	dumping uint32 // sequence number of a dump that was not read to its end
}

// dialClient makes a socket for requests in ns; bind is as in dial.
func dialClient(ns *namespace, bind func(*socket.Conn) error) (*client, error) {
	s, err := dial(ns, replyBuffer, bind)
	if err != nil {
		return nil, err
	}
	return &client{sock: s}, nil
}

// reserve makes the next n sequence numbers follow each other without a gap.
func (c *client) reserve(n uint32) {
	if c.seq > math.MaxUint32-n {
		c.seq = 0
	}
}

// next returns a sequence number. The kernel's own events have 0.
func (c *client) next() uint32 {
	c.seq++
	if c.seq == 0 {
		c.seq++
	}
	return c.seq
}

// do makes one request and returns the kernel's answer to it: 0 where it was done, or
// the errno with the kernel's own words.
func (c *client) do(ctx context.Context, typ, flags uint16, body []byte) (errno syscall.Errno, text string, err error) {
	release, err := c.within(ctx)
	if err != nil {
		return 0, "", err
	}
	defer release()
	seq := c.next()
	b := beginMessage(nil, typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, seq)
	if err := c.send(endMessage(append(b, body...), 0)); err != nil {
		return 0, "", err
	}
	for answered := false; !answered; {
		err := c.receive(func(b []byte) error {
			m, _, err := nextMessage(b)
			if err != nil || m.seq != seq {
				return err
			}
			answered = true
			errno, text, err = m.status()
			return err
		})
		if err != nil {
			return 0, "", lapse(ctx, err)
		}
	}
	return errno, text, nil
}

// ask makes one request for one thing, and calls answer with it; or it returns the errno of a
// kernel that refuses, with the kernel's own words.
func (c *client) ask(ctx context.Context, typ uint16, body []byte, answer func(message) error) (errno syscall.Errno, text string, err error) {
	release, err := c.within(ctx)
	if err != nil {
		return 0, "", err
	}
	defer release()
	if err := c.settle(); err != nil {
		return 0, "", lapse(ctx, err)
	}
	seq := c.next()
	b := beginMessage(nil, typ, unix.NLM_F_REQUEST, seq)
	if err := c.send(endMessage(append(b, body...), 0)); err != nil {
		return 0, "", lapse(ctx, err)
	}
	for answered := false; !answered; {
		err := c.receive(func(b []byte) error {
			m, _, err := nextMessage(b)
			if err != nil || m.seq != seq || m.port != c.port {
				return err
			}
			answered = true
			if m.typ == unix.NLMSG_ERROR {
				errno, text, err = m.status()
				return err
			}
			return answer(m)
		})
		if err != nil {
			return 0, "", lapse(ctx, err)
		}
	}
	return errno, text, nil
}

// dumpTries is how often an interrupted dump is repeated before the reader
// gives up. Links and nexthops are small; the kernel does not mark route dumps.
const dumpTries = 16

// dump asks for all entries of one kind and calls each with every message of
// the answer, in the kernel's order. An interrupted answer is errInterrupted.
func (c *client) dump(ctx context.Context, typ uint16, body []byte, each func(message) error) error {
	release, err := c.within(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := c.settle(); err != nil {
		return lapse(ctx, err)
	}
	seq := c.next()
	b := beginMessage(nil, typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	b = endMessage(append(b, body...), 0)
	if err := c.send(b); err != nil {
		return lapse(ctx, err)
	}
	c.dumping = seq
	return lapse(ctx, c.answer(seq, each))
}

// answer reads the answer of the dump seq to its end, also after each failed.
func (c *client) answer(seq uint32, each func(message) error) error {
	var failed error
	interrupted := false
	for c.dumping == seq {
		err := c.receive(func(b []byte) error {
			for len(b) > 0 {
				m, rest, err := nextMessage(b)
				if err != nil {
					return err
				}
				b = rest
				if m.seq != seq || m.port != c.port {
					continue // the answer to a request that was given up
				}
				interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
				switch m.typ {
				case unix.NLMSG_DONE, unix.NLMSG_ERROR:
					c.dumping = 0
					errno, text, err := m.status()
					if err != nil {
						return err
					}
					if errno != 0 {
						failed = &requestError{errno, text}
					}
				case unix.NLMSG_NOOP:
				default:
					if failed == nil {
						failed = each(m)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if failed == nil && interrupted {
		return errInterrupted
	}
	return failed
}

// settle makes the socket fit for a request. It reads on to the end of a dump
// whose reader gave up: until then the kernel refuses the next one with EBUSY.
// After an ENOBUFS it empties the queue: until then the kernel drops further
// acknowledgements, and without another word.
func (c *client) settle() error {
	if c.lost {
		if err := c.drain(); err != nil {
			return err
		}
		c.lost, c.dumping = false, 0
	}
	if c.dumping == 0 {
		return nil
	}
	err := c.answer(c.dumping, func(message) error { return nil })
	if c.dumping == 0 {
		return nil // an error in it is of no interest
	}
	return err
}

// complete calls dump until it is not interrupted.
func complete(ctx context.Context, what string, dump func() error) error {
	for try := 1; ; try++ {
		err := dump()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errInterrupted):
			return fmt.Errorf("read the %s: %w", what, err)
		case try == dumpTries:
			return fmt.Errorf("read the %s: %w, %d times in a row", what, err, try)
		case ctx.Err() != nil:
			return fmt.Errorf("read the %s: %w", what, ctx.Err())
		}
	}
}
