package frrpe_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tenant is a tenant at one PE.
type tenant struct {
	t      testing.TB
	pe     *pe
	name   string
	ns     *lab.Namespace // where its interfaces are
	device string         // the VRF device that it is; "": it is ns
	table  int
	host   *lab.Namespace
}

// enslave has an interface in the tenant's VRF device, where it is one.
func (t *tenant) enslave(dev string) {
	if t.device != "" {
		t.ns.IP("link", "set", dev, "master", t.device)
	}
}

func (t *tenant) lan() string { return "lan-" + t.name }

// vxlan is the VXLAN device of the tenant.
func (t *tenant) vxlan() string { return fmt.Sprintf("vx%d", vnis[t.name]) }

// link is what `ip` says of an interface of the tenant's.
func (t *tenant) link(dev string) (link struct {
	Address string
	Stats64 struct {
		Rx struct{ Packets uint64 } `json:"rx"`
	} `json:"stats64"`
}) {
	t.t.Helper()
	list := []any{&link}
	out := t.ns.IP("-s", "-j", "link", "show", "dev", dev)
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		t.t.Fatalf("read %s of %s: %v: %s", dev, t.name, err, out)
	}
	return link
}

// received is how many packets the tenant's VXLAN device has got.
func (t *tenant) received() uint64 { return t.link(t.vxlan()).Stats64.Rx.Packets }

// mac is the address of the tenant's router.
func (t *tenant) mac() string {
	if t.pe.n == 2 {
		return t.link(fmt.Sprintf("br%d", vnis[t.name])).Address
	}
	return t.link(t.vxlan()).Address
}

// carried is a packet of the tenant's from this PE to another one.
func (t *tenant) carried(to *tenant) lab.Carried {
	return lab.Carried{From: netip.MustParseAddr(vtep(t.pe.n)), To: netip.MustParseAddr(vtep(to.pe.n)), VNI: uint32(vnis[t.name]), Router: to.mac()}
}

// endpoints are the neighbours that the tenant's VXLAN device has, a line each.
func (t *tenant) endpoints() string {
	t.t.Helper()
	return t.ns.IP("neigh", "show", "dev", t.vxlan(), "nud", "permanent")
}

// own are the routes that vrfredist has in the tenant.
func (t *tenant) own() []string { return t.ns.Own(t.table) }
