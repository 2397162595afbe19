package lab

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The watch must bite: it is what every other test leans on.
func TestWatchSeesWhoChangedAForeignRoute(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("not root: the watch is proven as root, and used in user namespaces too")
	}
	l := New(t, &Run{Protocol: 179})
	n := l.Namespace("watched")
	l.Link(n, "eth0", l.Namespace("far"), "eth0")
	n.Address("eth0", "192.0.2.1/24", "2001:db8::1/64")
	// A program that the lab does not know is what the daemon is to the watch.
	stranger := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", append([]string{"-n", n.Name}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	for _, route := range []string{"198.51.100.0/24 via 192.0.2.2", "2001:db8:1::/64 via 2001:db8::2", "203.0.113.0/24 via 192.0.2.2"} {
		n.IP(strings.Fields("route add " + route + " proto static metric 20")...)
	}
	// What the daemon may do: its own routes, added, replaced and deleted.
	mark := n.Mark()
	stranger(strings.Fields("route add 10.0.0.0/8 via 192.0.2.3 proto 179 metric 20")...)
	stranger(strings.Fields("route replace 10.0.0.0/8 via 192.0.2.4 proto 179 metric 20")...)
	stranger(strings.Fields("route del 10.0.0.0/8 proto 179")...)
	WaitEqual(t, "events of the daemon's own routes", 3, func() int { return len(n.Since(mark)) })
	if _, violations := l.Run.Summary(); len(violations) != 0 {
		t.Fatalf("what is allowed was held against it: %q", violations)
	}
	// What the test itself may do, and a link that takes routes with it.
	n.IP(strings.Fields("route del 203.0.113.0/24")...)

	stranger(strings.Fields("route replace 198.51.100.0/24 via 192.0.2.3 proto 179 metric 20")...)
	stranger(strings.Fields("-6 route del 2001:db8:1::/64")...)
	stranger(strings.Fields("route add 203.0.113.0/24 via 192.0.2.3 proto static metric 20")...)
	WaitFor(t, "three violations", Patience, func() string {
		if _, v := l.Run.Summary(); len(v) != 3 {
			return strings.Join(v, "; ")
		}
		return ""
	})
	found := strings.Join(n.end(), "\n")
	n.Watch = nil // or the lab would fail this test for what it provoked
	for _, want := range []string{
		"198.51.100.0/24 metric 20 of protocol 4 was overwritten in table 254",
		"2001:db8:1::/64 metric 20 of protocol 4 was deleted from table 254",
		"203.0.113.0/24 metric 20 was written with protocol 4 into table 254",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("no %q in:\n%s", want, found)
		}
	}
}
