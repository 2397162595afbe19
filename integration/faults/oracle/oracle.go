// Package oracle judges what is in a namespace's tables, by the kernel's own
// dump: whether the daemon's routes are the model, and whether everything else is
// byte for byte what it was.
package oracle

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Oracle reads the tables of one namespace. It has one user at a time.
type Oracle struct {
	t        testing.TB
	ns       *lab.Namespace
	protocol uint8 // the daemon's: whatever has another is foreign
	sock     socket
	close    sync.Once
}

// New returns an oracle for the namespace as it is now: one that is deleted and
// made again under its name needs another. It closes with the test.
func New(t testing.TB, n *lab.Namespace, protocol int) *Oracle {
	t.Helper()
	o := &Oracle{t: t, ns: n, protocol: uint8(protocol)}
	if err := n.Enter(o.sock.open); err != nil {
		t.Fatalf("open an oracle for %s: %v", n.Role, err)
	}
	t.Cleanup(o.Close)
	return o
}

// Close ends the use of the oracle before its test ends: its socket keeps a deleted
// namespace alive.
func (o *Oracle) Close() {
	o.close.Do(func() {
		if err := unix.Close(o.sock.fd); err != nil {
			o.t.Errorf("close the oracle for %s: %v", o.ns.Role, err)
		}
	})
}

// Count returns how many routes of the daemon there are, in all tables.
func (o *Oracle) Count() int {
	o.t.Helper()
	n := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		here := 0
		o.scan(routeRequest(family, o.protocol), func() { here = 0 }, func([]byte) { here++ })
		n += here
	}
	return n
}

// Own returns the daemon's routes of one table as `ip route` would, sorted:
// "10.1.0.0/24 via 10.0.0.1 dev eth0 metric 20", with " +" between nexthops.
func (o *Oracle) Own(table uint32) []string {
	o.t.Helper()
	lines := []string{}
	names := o.links()
	for _, r := range o.routes(o.protocol) {
		if r.table == table {
			lines = append(lines, r.text(names))
		}
	}
	sort.Strings(lines)
	return lines
}

// Elsewhere returns the daemon's routes outside of one table.
func (o *Oracle) Elsewhere(table uint32) []string {
	o.t.Helper()
	lines := []string{}
	names := o.links()
	for _, r := range o.routes(o.protocol) {
		if r.table != table {
			lines = append(lines, fmt.Sprintf("table %d: %s", r.table, r.text(names)))
		}
	}
	return lines
}

// Foreign is everything in a namespace that is not the daemon's: what the kernel
// says of each route and nexthop object, by a name for people.
type Foreign map[string]string

// Foreign reads what is not the daemon's. Routes that the kernel makes for its own
// addresses (local, broadcast, multicast) are left out.
func (o *Oracle) Foreign() Foreign {
	o.t.Helper()
	all := Foreign{}
	names := o.links()
	for _, r := range o.routes(0) {
		if r.protocol == o.protocol || r.table == unix.RT_TABLE_LOCAL || !forwards(r.kind) {
			continue
		}
		all[fmt.Sprintf("table %d proto %d %s", r.table, r.protocol, r.text(names))] = string(r.raw)
	}
	for _, m := range o.dump(nexthopRequest()) {
		if protocol, id := nexthopOf(m); protocol != o.protocol {
			all[fmt.Sprintf("nexthop %d", id)] = string(m)
		}
	}
	return all
}

// Objects counts the daemon's nexthop objects.
func (o *Oracle) Objects() int {
	o.t.Helper()
	n := 0
	for _, m := range o.dump(nexthopRequest()) {
		if protocol, _ := nexthopOf(m); protocol == o.protocol {
			n++
		}
	}
	return n
}

// Differs says in a few lines what is not as it was; "" where nothing is.
func (f Foreign) Differs(now Foreign) string {
	var parts []string
	for name, raw := range f {
		switch other, there := now[name]; {
		case !there:
			parts = append(parts, "gone: "+name)
		case other != raw:
			parts = append(parts, fmt.Sprintf("changed: %s: %x is %x", name, raw, other))
		}
	}
	for name := range now {
		if _, was := f[name]; !was {
			parts = append(parts, "new: "+name)
		}
	}
	sort.Strings(parts)
	return few(parts)
}

// WaitForeign waits until everything that is not the daemon's is what it was.
func (o *Oracle) WaitForeign(want Foreign) {
	o.t.Helper()
	lab.WaitFor(o.t, "foreign routes of "+o.ns.Role, lab.Patience, func() string { return want.Differs(o.Foreign()) })
}

// Wait waits until the daemon's routes of a table are exactly the model, and
// returns how long that took. The model is in any order.
func (o *Oracle) Wait(table uint32, model []string, limit time.Duration) time.Duration {
	o.t.Helper()
	began := time.Now()
	var took time.Duration
	lab.WaitFor(o.t, fmt.Sprintf("the daemon's routes in %s, table %d", o.ns.Role, table), limit, func() string {
		n, at := o.paced(len(model), 1)
		if n != len(model) {
			if n > 100 || len(model) > 100 { // a list of a hundred says no more than the number
				return fmt.Sprintf("%d routes, want %d", n, len(model))
			}
			return fmt.Sprintf("%d routes, want %d: %s", n, len(model), Diff(model, o.Own(table)))
		}
		took = at.Sub(began)
		return Diff(model, o.Own(table))
	})
	return took
}

// paced counts, and says when that was. Where it is not the number wanted it rests for
// so many times as long as counting took, and for as long as the daemon goes on to write,
// up to a quarter of a second: the processors are the daemon's.
func (o *Oracle) paced(want, rests int) (n int, at time.Time) {
	o.t.Helper()
	const most = 250 * time.Millisecond
	began := time.Now()
	n, at = o.Count(), time.Now()
	if n != want {
		time.Sleep(time.Duration(rests) * at.Sub(began))
		o.ns.AtRest(most)
	}
	return n, at
}

// WaitEmpty waits until the daemon has no route left, and returns how long that took.
// Counting takes the less the fewer are left, so the end is seen soon.
func (o *Oracle) WaitEmpty(limit time.Duration) time.Duration {
	o.t.Helper()
	began := time.Now()
	var took time.Duration
	lab.WaitFor(o.t, "no route of the daemon in "+o.ns.Role, limit, func() string {
		n, at := o.paced(0, 4)
		if n > 0 {
			return fmt.Sprintf("there are %d", n)
		}
		took = at.Sub(began)
		return ""
	})
	return took
}

// Diff says in a few lines what got has more and less than want; "": nothing.
func Diff(want, got []string) string {
	count := make(map[string]int, len(want))
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		count[g]--
	}
	var parts []string
	for line, n := range count {
		switch {
		case n > 0:
			parts = append(parts, "missing: "+line)
		case n < 0:
			parts = append(parts, "too much: "+line)
		}
	}
	sort.Strings(parts)
	return few(parts)
}

func few(parts []string) string {
	const most = 10
	if len(parts) > most {
		parts = append(parts[:most:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "\n")
}
