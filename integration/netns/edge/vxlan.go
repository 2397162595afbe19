package edge

import (
	"encoding/json"
	"fmt"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// VXLAN is the name of the tenant's VXLAN device.
func (t *Tenant) VXLAN() string { return fmt.Sprintf("vx%d", Numbers[t.Name]) }

// Interface is what `ip` says of one.
type Interface struct {
	Address string
	Stats64 struct{ Rx, Tx struct{ Packets uint64 } }
}

// InterfaceOf is what `ip` says of an interface of a namespace.
func InterfaceOf(n *Network, ns *lab.Namespace, dev string) (is Interface) {
	n.T.Helper()
	list := []any{&is}
	out := ns.IP("-s", "-j", "link", "show", "dev", dev)
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		n.T.Fatalf("read %s in %s: %v: %s", dev, ns.Role, err, out)
	}
	return is
}

// Received is how many packets the tenant's VXLAN device has got.
func (t *Tenant) Received() uint64 {
	t.net.T.Helper()
	return InterfaceOf(t.net, t.NS, t.VXLAN()).Stats64.Rx.Packets
}

// MAC is the address of the tenant's router.
func (t *Tenant) MAC() string {
	t.net.T.Helper()
	if t.Router != "" {
		return InterfaceOf(t.net, t.NS, t.Router).Address
	}
	return InterfaceOf(t.net, t.NS, t.VXLAN()).Address
}

// Carried is a packet of the tenant's from its PE to another one.
func (t *Tenant) Carried(to *Tenant) lab.Carried {
	t.net.T.Helper()
	return lab.Carried{From: addr(t.PE.Addr()), To: addr(to.PE.Addr()), VNI: uint32(Numbers[t.Name]), Router: to.MAC()}
}

// Endpoints are the neighbours that the tenant's VXLAN device has for other PEs, a line each.
func (t *Tenant) Endpoints() string {
	t.net.T.Helper()
	return t.NS.IP("neigh", "show", "dev", t.VXLAN(), "nud", "permanent")
}

// Bridge runs `bridge` in the tenant.
func (t *Tenant) Bridge(args ...string) string {
	t.net.T.Helper()
	out, err := t.NS.Run("bridge", args...)
	if err != nil {
		t.net.T.Fatal(err)
	}
	return out
}
