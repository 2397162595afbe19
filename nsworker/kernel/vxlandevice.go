package kernel

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// VXLANDevice is a VXLAN device as it is to be in the namespace of a VRF. It never learns
// addresses, and its underlay is the core, whatever VXLAN says of both.
type VXLANDevice struct {
	Name string
	rib.VXLAN
}

// MakeVXLAN has a VXLAN device in the namespace, and the VRF device, of the binding tenant, whose
// packets go by the tables of core. One that is there with the alias of d is adopted, and changed
// where it differs; one of that name without it is left alone, and an error. What is half made
// when a step fails is removed again.
func (h *Host) MakeVXLAN(ctx context.Context, core, tenant rib.Binding, d VXLANDevice) error {
	if err := d.check(); err != nil {
		return err
	}
	w, err := openWorkshop(h.Namespaces, core, tenant, d)
	if err == nil {
		defer w.close()
		err = w.deliver(ctx)
	}
	if err != nil {
		return fmt.Errorf("make the VXLAN device %s in %s: %w", d.Name, rib.NetnsText(tenant.Netns), err)
	}
	return nil
}

// RemoveVXLAN removes the VXLAN device that has a name and exactly an alias. Another one of that
// name is left alone; that there is none is no error.
func (h *Host) RemoveVXLAN(ctx context.Context, tenant rib.Binding, name, alias string) error {
	fail := func(err error) error {
		return fmt.Errorf("remove the VXLAN device %s from %s: %w", name, rib.NetnsText(tenant.Netns), err)
	}
	ns, err := h.Namespaces.open(tenant.Netns)
	switch {
	case isAbsent(err):
		return nil // and its devices with it
	case err != nil:
		return fail(err)
	}
	defer ns.close()
	c, err := dialClient(ns, anyPort)
	if err != nil {
		return fail(err)
	}
	defer c.close()
	k, err := c.getLink(ctx, name)
	if err == nil && k != nil && alias != "" && k.VXLAN.Alias == alias {
		err = c.deleteLink(ctx, k.Index)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// check refuses what no device can be made of, and names that mean something to the kernel: in
// one with a % it puts a number.
func (d *VXLANDevice) check() error {
	refuse := func(why string) error { return fmt.Errorf("cannot make the VXLAN device %q: %s", d.Name, why) }
	strange := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" /:%", r) }
	switch {
	case d.Name == "" || len(d.Name) >= unix.IFNAMSIZ || d.Name == "." || d.Name == ".." || strings.ContainsFunc(d.Name, strange):
		return refuse("that is no name of an interface")
	case d.Alias == "" || len(d.Alias) > 255 || d.Alias != printable(d.Alias):
		return refuse("it has no alias by which it can be told apart")
	case d.VNI == 0 || d.VNI > rib.MaxVNI:
		return refuse(fmt.Sprintf("%d is no VNI", d.VNI))
	case !d.Local.IsValid() || d.Local.Is4In6() || d.Local.IsUnspecified() || d.Local.IsMulticast():
		return refuse(fmt.Sprintf("%v is not the address of one router", d.Local))
	case d.Port == 0:
		return refuse("it has no UDP port")
	case !d.MAC.Unicast():
		return refuse(fmt.Sprintf("%v is not the MAC address of one router", d.MAC))
	}
	return nil
}
