package pe_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
)

// TestTooLarge: a tenant's host is told how large its packets may be, in both families, and what
// is as large as that goes through.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2, "ping")
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	h := one.Tenants["red"].Host
	for _, tc := range []struct {
		ipv6           bool
		large, fitting string // payloads: less 28 bytes in IPv4, and 48 in IPv6
		says           string
	}{
		{false, "1472", "1422", "mtu = 1450"},
		{true, "1452", "1402", "mtu=1450"},
	} {
		out, err := h.Run("ping", "-c", "1", "-W", "2", "-M", "do", "-s", tc.large, edge.Host(2, tc.ipv6))
		if err == nil || !strings.Contains(out+err.Error(), tc.says) {
			t.Errorf("a packet that is too large: %v: %s", err, out)
		}
		if out, err := h.Run("ping", "-c", "1", "-W", "2", "-M", "do", "-s", tc.fitting, edge.Host(2, tc.ipv6)); err != nil {
			t.Errorf("a packet that fits: %v: %s", err, out)
		}
	}
}

// TestForged: packets in VXLAN with this tenant's VNI, but to another router's MAC address, get
// nowhere; and a tenant's host reaches no VTEP, and so no VNI.
func TestForged(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	const away = "10.2.0.99/32"
	wrong := "02:00:00:00:77:77"
	tenant := one.Tenants["red"].NS
	tenant.IP("neigh", "add", "fe80::77", "lladdr", wrong, "dev", "vx100", "nud", "permanent")
	one.Tenants["red"].Bridge("fdb", "add", wrong, "dev", "vx100", "dst", edge.Loopback(2), "self", "permanent")
	tenant.IP("route", "add", away, "via", "inet6", "fe80::77", "dev", "vx100")
	two.Tenants["red"].Host.Address("lo", away)
	two.Tenants["red"].NS.IP("route", "add", away, "via", edge.Host(2, false))
	if err := one.Tenants["red"].Host.Ping("", "10.2.0.99"); err == nil {
		t.Error("a packet to another router's MAC address came through")
	}
	for n := range m.PEs {
		if err := one.Tenants["red"].Host.Ping("", edge.Loopback(n+1)); err == nil {
			t.Errorf("the tenant's host reaches the VTEP %s", edge.Loopback(n+1))
		}
	}
}
