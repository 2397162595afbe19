package kernel

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// answers stands in for the kernel's end of a socket, and gives one datagram at a time.
type answers struct {
	s         *sock
	datagrams [][]byte
}

func (a *answers) Control(func(uintptr)) error    { return nil }
func (a *answers) Write(func(uintptr) bool) error { return nil }

func (a *answers) Read(func(uintptr) bool) error {
	if len(a.datagrams) == 0 {
		return errors.New("nothing is left to read")
	}
	a.s.in.buf = new([datagram]byte)
	a.s.in.n, a.s.in.err = copy(a.s.in.buf[:], a.datagrams[0]), nil
	a.datagrams = a.datagrams[1:]
	return nil
}

// TestInterruptedDump: the kernel marks any message of a dump during which the data
// changed (nl_dump_check_consistent in include/net/netlink.h), the end of it too. Such
// an answer must not pass for a whole one.
func TestInterruptedDump(t *testing.T) {
	const seq = 7
	one := func(typ, flags uint16, seq uint32) []byte {
		return endMessage(beginMessage(nil, typ, flags|unix.NLM_F_MULTI, seq), 0)
	}
	for name, tc := range map[string]struct {
		first, last, foreign uint16 // flags
		want                 error
	}{
		"whole":                     {},
		"in its first message":      {first: unix.NLM_F_DUMP_INTR, want: errInterrupted},
		"in its last one":           {last: unix.NLM_F_DUMP_INTR, want: errInterrupted},
		"in one of an earlier dump": {foreign: unix.NLM_F_DUMP_INTR},
	} {
		t.Run(name, func(t *testing.T) {
			s := &client{sock: &sock{}, dumping: seq}
			s.raw = &answers{s.sock, [][]byte{
				one(unix.RTM_NEWLINK, tc.foreign, seq-1),
				append(one(unix.RTM_NEWLINK, tc.first, seq), one(unix.RTM_NEWLINK, 0, seq)...),
				one(unix.NLMSG_DONE, tc.last, seq),
			}}
			n := 0
			err := s.answer(seq, func(message) error { n++; return nil })
			if !errors.Is(err, tc.want) || n != 2 {
				t.Errorf("%v after %d messages, want %v after 2", err, n, tc.want)
			}
		})
	}
}

// TestDumpOfOneTableWithoutStrictChecking: a kernel that does not know it sends the
// routes of all tables.
func TestDumpOfOneTableWithoutStrictChecking(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ip(t, ns, "route add 10.1.0.0/16 via 192.0.2.2 table 100")
	ip(t, ns, "route add 10.2.0.0/16 via 192.0.2.2 table 1234")
	ip(t, ns, "-6 route add 2001:db8:2::/48 via 2001:db8::2 table 1234")
	ip(t, ns, "route add 10.3.0.0/16 via 192.0.2.2")
	if err := c.sock.c.SetsockoptInt(unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 0); err != nil {
		t.Fatal(err)
	}
	for family, want := range map[byte]string{unix.AF_INET: "10.2.0.0/16", unix.AF_INET6: "2001:db8:2::/48"} {
		var routes rib.RouteList
		err := c.sock.dumpRoutes(t.Context(), &decoder{}, family, 1234, &routes)
		if err != nil || routes.Len() != 1 || routes.Prefix(0).String() != want {
			t.Errorf("%v, %v, want %s alone", slices.Collect(routes.Values()), err, want)
		}
	}
}

func TestInterruptedAndFailedDumps(t *testing.T) {
	// interrupted gives up after a bounded number of tries, and stops at once
	// for anything else.
	n := 0
	err := complete(t.Context(), "routes", func() error { n++; return errInterrupted })
	if !errors.Is(err, errInterrupted) || n != dumpTries {
		t.Errorf("%v after %d tries", err, n)
	}
	n = 0
	err = complete(t.Context(), "routes", func() error {
		if n++; n < 3 {
			return errInterrupted
		}
		return nil
	})
	if err != nil || n != 3 {
		t.Errorf("%v after %d tries", err, n)
	}
	n = 0
	if err = complete(t.Context(), "routes", func() error { n++; return unix.EIO }); !errors.Is(err, unix.EIO) || n != 1 {
		t.Errorf("%v after %d tries", err, n)
	}
}

func TestDumpGivenUpLeavesTheSocketUsable(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	var changes []rib.Change
	for i := range 5000 {
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: route(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), via("192.0.2.2"))})
	}
	apply(t, c, changes...)
	// A dump whose first datagram alone is read, as after a deadline.
	seq := c.sock.next()
	b := beginMessage(nil, unix.RTM_GETROUTE, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	b = append(b, make([]byte, unix.SizeofRtMsg)...)
	b[unix.NLMSG_HDRLEN] = unix.AF_INET
	if err := c.sock.send(endMessage(appendAttrU32(b, unix.RTA_TABLE, table), 0)); err != nil {
		t.Fatal(err)
	}
	c.sock.dumping = seq
	if err := c.sock.receive(func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, c).Routes); got != 5000 {
		t.Errorf("%d routes, want 5000", got)
	}
}
