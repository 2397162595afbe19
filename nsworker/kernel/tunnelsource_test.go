package kernel

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// TestTunnelSource: what `ip sr tunsrc set` wrote is read, and that nothing was written.
func TestTunnelSource(t *testing.T) {
	need.SRv6(t)
	ns, h := lab(t), startHost(t)
	for _, want := range []string{"::", "fd00:255::1", "::"} {
		if want != "::" {
			ip(t, ns, "sr tunsrc set "+want)
		}
		sv, err := h.Survey(t.Context(), ns, 179, nil)
		if err != nil || sv.TunnelSource != netip.MustParseAddr(want) {
			t.Errorf("it is %v, %v; want %s", sv.TunnelSource, err, want)
		}
		ip(t, ns, "sr tunsrc set ::")
	}
}
