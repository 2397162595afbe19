package relay_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/nsworker/relay"
)

// TestTwoVRFDevicesOfOneNamespace: the same addresses on both sides of both,
// dialled and accepted, with net.ipv4.tcp_l3mdev_accept off.
func TestTwoVRFDevicesOfOneNamespace(t *testing.T) {
	t.Parallel()
	need.VRF(t)
	l := lab.New(t, run)
	ours := l.Namespace("pe")
	var tenants []tenant
	for i, device := range []string{"vrf-a", "vrf-b"} {
		theirs := l.Namespace(device + "-peer")
		leg := []string{"eth0", "eth1"}[i]
		ours.IP("link", "add", device, "type", "vrf", "table", []string{"1001", "1002"}[i])
		ours.IP("link", "set", device, "up")
		l.Link(ours, leg, theirs, "eth0")
		ours.IP("link", "set", leg, "master", device)
		ours.Address(leg, "10.0.0.1/24", "2001:db8::1/64")
		theirs.Address("eth0", "10.0.0.2/24", "2001:db8::2/64")
		tenants = append(tenants, tenant{ours, theirs})
	}
	a4, b4 := tenants[0].neighbor("127.1.0.1"), tenants[1].neighbor("127.1.0.2")
	a6, b6 := tenants[0].neighbor6("127.1.0.3"), tenants[1].neighbor6("127.1.0.4")
	a4.Device, a6.Device, b4.Device, b6.Device = "vrf-a", "vrf-a", "vrf-b", "vrf-b"
	a4.Password, b4.Password = "key of a", "key of b"
	a6.PassiveOnly, b6.PassiveOnly = true, true
	atA := listen(t, tenants[0].theirs, "10.0.0.2:179", md5(local4, "key of a"))
	atB := listen(t, tenants[1].theirs, "10.0.0.2:179", md5(local4, "key of b"))
	r := startRelay(t, startServer(t).addr)
	r.set(a4, b4, a6, b6)
	echoes(t, accept(t, atA), "127.1.0.1")
	echoes(t, accept(t, atB), "127.1.0.2")
	session(t, tenants[0].theirs, "", "[2001:db8::1]:179", nil, "127.1.0.3")
	session(t, tenants[1].theirs, "", "[2001:db8::1]:179", nil, "127.1.0.4")
	for _, alias := range []string{"127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.4"} {
		r.waitState(alias, relay.StateConnected)
	}
}
