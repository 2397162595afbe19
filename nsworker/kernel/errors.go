package kernel

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Error is the kernel's refusal of one change. It unwraps to its Errno, and
// matches rib.ErrExists where an exclusive add met a route with the same key.
type Error struct {
	Op       rib.Op
	Route    rib.Route
	Nexthop  uint32       // of a change of a nexthop object: its id
	Endpoint rib.Endpoint // of a change of an endpoint
	Errno    syscall.Errno
	Text     string // the kernel's own words, "" where it has none
	encap    rib.EncapKind
}

func (e *Error) Error() string {
	var s string
	if isEndpoint(e.Op) {
		s = fmt.Sprintf("the kernel refused to %v %v at %v: %v", e.Op, e.Endpoint.MAC, e.Endpoint.VTEP, e.Errno)
	} else if isNexthop(e.Op) {
		s = fmt.Sprintf("the kernel refused to %v %d: %v", e.Op, e.Nexthop, e.Errno)
	} else if e.Op == rib.OpDelete {
		s = fmt.Sprintf("the kernel refused to delete %v: %v", e.Route.Prefix, e.Errno)
	} else {
		s = fmt.Sprintf("the kernel refused %v: %v", e.Route.Prefix, e.Errno)
	}
	if e.Text != "" {
		s += fmt.Sprintf(" (%q)", e.Text)
	}
	if e.Errno == unix.EOPNOTSUPP {
		s += lacking[e.encap]
	}
	return s
}

// lacking is what the kernel needs for an encapsulation that it says it has not.
var lacking = map[rib.EncapKind]string{
	rib.EncapMPLS: ": it has no MPLS; load its modules: modprobe -a mpls_router mpls_iptunnel",
	rib.EncapSRv6: ": it is built without CONFIG_IPV6_SEG6_LWTUNNEL",
}

// encapOf is the kind of the first encapsulation in a change; 0: there is none.
func encapOf(c *rib.Change) rib.EncapKind {
	if isNexthop(c.Op) {
		return c.Nexthop.Hop.Encap.Kind()
	}
	for i := range c.Route.Hops {
		if kind := c.Route.Hops[i].Encap.Kind(); kind != 0 {
			return kind
		}
	}
	return 0
}

// Unwrap returns the Errno.
func (e *Error) Unwrap() error { return e.Errno }

// Is matches rib.ErrExists.
func (e *Error) Is(target error) bool {
	exclusive := e.Op == rib.OpAdd || e.Op == rib.OpAddNexthop || e.Op == rib.OpSetEndpoint
	return target == rib.ErrExists && exclusive && e.Errno == unix.EEXIST
}

// requestError is the kernel's refusal of a request that is not about one
// route.
type requestError struct {
	errno syscall.Errno
	text  string
}

func (e *requestError) Error() string {
	if e.text == "" {
		return e.errno.Error()
	}
	return fmt.Sprintf("%v (%q)", e.errno, e.text)
}

func (e *requestError) Unwrap() error { return e.errno }

var (
	// errInterrupted is NLM_F_DUMP_INTR: the kernel changed the data while it dumped them,
	// so the answer may lack entries or hold some twice.
	errInterrupted = errors.New("the kernel interrupted the dump because the data changed")
	errTruncated   = errors.New("a netlink message did not fit the buffer")
	errStopped     = errors.New("the kernel host has stopped")
)

// isAbsent tells whether err says that a binding is not there.
func isAbsent(err error) bool { return errors.Is(err, rib.ErrAbsent) }

// discarding are the answers of the kernel to who asks for a route that discards packets
// (fib_props in net/ipv4/fib_semantics.c, fib6_prop in net/ipv6/route.c).
var discarding = map[syscall.Errno]rib.Kind{
	unix.EINVAL:       rib.KindBlackhole,
	unix.EHOSTUNREACH: rib.KindUnreachable,
	unix.EACCES:       rib.KindProhibit,
}
