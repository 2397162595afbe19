package lab

import (
	"os"
	"strings"
	"testing"
)

// TestSubnet: one end of a link has the address that is given, and the other the next one.
func TestSubnet(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("not root: it makes network namespaces")
	}
	l := New(t, &Run{Protocol: 179})
	a, b := l.Namespace("a"), l.Namespace("b")
	l.Subnet(a, "lan0", b, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	for _, end := range []struct {
		ns   *Namespace
		dev  string
		want []string
	}{{a, "lan0", []string{"192.0.2.1/24", "2001:db8::1/64"}}, {b, "eth0", []string{"192.0.2.2/24", "2001:db8::2/64"}}} {
		out := end.ns.IP("addr", "show", "dev", end.dev)
		for _, want := range end.want {
			if !strings.Contains(out, " "+want+" ") {
				t.Errorf("%s of %s has no %s: %s", end.dev, end.ns.Role, want, out)
			}
		}
	}
}
