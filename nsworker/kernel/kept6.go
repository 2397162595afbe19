package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel sets an interface down and up where it comes into a VRF device or leaves one
// (cycle_netdev in drivers/net/vrf.c), and takes its IPv6 addresses away with that, the ones that somebody
// gave it for good too, unless keep_addr_on_down is set. keepSix has those there afterwards.
func (c *client) keepSix(ctx context.Context, link int, do func() error) error {
	before, err := c.givenSix(ctx, link)
	if err != nil {
		return err
	}
	if err := do(); err != nil || len(before) == 0 {
		return err
	}
	for _, body := range before {
		errno, text, err := c.do(ctx, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
		if err == nil && errno != 0 && errno != syscall.EEXIST {
			err = &requestError{errno, text}
		}
		if err != nil {
			return fmt.Errorf("give the interface its IPv6 addresses back: %w", err)
		}
	}
	return nil
}

// givenSix are the global IPv6 addresses that an interface was given for good, as messages about them.
func (c *client) givenSix(ctx context.Context, link int) (bodies [][]byte, err error) {
	request := make([]byte, unix.SizeofIfAddrmsg)
	request[0] = unix.AF_INET6
	err = complete(ctx, "addresses", func() error {
		bodies = nil
		err := c.dump(ctx, unix.RTM_GETADDR, request, func(m message) error {
			given, err := isGiven(m, link)
			if given {
				bodies = append(bodies, slices.Clone(m.body))
			}
			return err
		})
		return absentFamily(unix.AF_INET6, err)
	})
	return bodies, err
}

func isGiven(m message, link int) (is bool, err error) {
	if m.typ != unix.RTM_NEWADDR || len(m.body) < unix.SizeofIfAddrmsg || indexOf(m) != link || m.body[3] != unix.RT_SCOPE_UNIVERSE {
		return false, nil
	}
	flags := uint32(m.body[2])
	a := attrs{b: m.body[unix.SizeofIfAddrmsg:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		if typ == unix.IFA_FLAGS {
			flags = attrU32(v)
		}
	}
	if a.bad {
		return false, errors.New("address message is malformed")
	}
	return flags&unix.IFA_F_PERMANENT != 0, nil
}
