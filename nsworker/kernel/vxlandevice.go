package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

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
	k, err := getLink(ctx, c, name)
	if err == nil && k != nil && alias != "" && k.VXLAN.Alias == alias {
		err = deleteLink(ctx, c, k.Index)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// deliver makes the device, or adopts the one that is there.
func (w *workshop) deliver(ctx context.Context) error {
	if err := w.findMaster(ctx); err != nil {
		return err
	}
	k, err := getLink(ctx, w.tenant, w.d.Name)
	switch {
	case err != nil:
		return err
	case k == nil:
		return w.make(ctx)
	case k.VXLAN.Alias != w.d.Alias:
		return fmt.Errorf("an interface of that name is there already, and is not marked as this VRF's (alias %q): rename or remove it, or give the VRF another vxlan_device", w.d.Alias)
	}
	return w.adopt(ctx, k)
}

// findMaster finds the VRF device of the tenant.
func (w *workshop) findMaster(ctx context.Context) error {
	if w.to.Device == "" {
		return nil
	}
	k, err := getLink(ctx, w.tenant, w.to.Device)
	switch {
	case err != nil:
		return err
	case k == nil || !k.vrf:
		return rib.Absent(fmt.Sprintf("VRF device %s in %s is not there", w.to.Device, rib.NetnsText(w.to.Netns)))
	}
	w.master = k.Index
	return nil
}

// adopt makes a device of ours the one that is to be. What the kernel cannot change, it makes anew.
func (w *workshop) adopt(ctx context.Context, k *linkState) error {
	over, err := w.overCore(ctx, k)
	if err != nil {
		return err
	}
	x, d := &k.VXLAN, &w.d
	if over && x.VNI == d.VNI && x.Port == d.Port && x.Local.BitLen() == d.Local.BitLen() {
		return w.finish(ctx, k)
	}
	if err := deleteLink(ctx, w.tenant, k.Index); err != nil {
		return err
	}
	return w.make(ctx)
}

// make makes the device. It is made by a socket of the core, which is so its underlay for good,
// and in the tenant's namespace at once, so that nothing of it is ever seen in the core.
func (w *workshop) make(ctx context.Context) error {
	k, err := w.create(ctx)
	if err != nil || k == nil {
		return err
	}
	mark := appendAttr(beginLink(k.Index, 0, 0), unix.IFLA_IFNAME, []byte(w.d.Name+"\x00"))
	mark = appendAttr(mark, unix.IFLA_IFALIAS, []byte(w.d.Alias))
	if err = w.change(ctx, "name it", mark); err == nil {
		k.Name, k.VXLAN.Alias = w.d.Name, w.d.Alias
		err = w.finish(ctx, k)
	}
	if err != nil {
		// It must not be left half made where ctx has ended, either.
		undo := deleteLink(context.WithoutCancel(ctx), w.tenant, k.Index)
		return errors.Join(err, undo)
	}
	return nil
}

// create creates the device under its temporary name; or adopts one of ours that has the VNI
// under another name, and returns none.
func (w *workshop) create(ctx context.Context) (*linkState, error) {
	name := temporary(w.d.VNI)
	body := w.newDevice(name)
	const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	errno, text, err := w.core.do(ctx, unix.RTM_NEWLINK, create, body)
	if err == nil && errno == unix.EEXIST {
		var done bool
		if done, err = w.makeWay(ctx, name); done || err != nil {
			return nil, err
		}
		errno, text, err = w.core.do(ctx, unix.RTM_NEWLINK, create, body)
	}
	switch {
	case err != nil:
		return nil, err
	case errno == unix.EOPNOTSUPP:
		return nil, fmt.Errorf("%w: the kernel has no VXLAN devices; load its module: modprobe vxlan", &requestError{errno, text})
	case errno != 0:
		return nil, w.refusal("create it", errno, text)
	}
	k, err := getLink(ctx, w.tenant, name)
	if err == nil && (k == nil || k.VXLAN.VNI != w.d.VNI) {
		err = fmt.Errorf("%s is not there any more, as which it was made: another program in %s has removed or renamed it", name, rib.NetnsText(w.to.Netns))
	}
	return k, err
}

// makeWay removes what an earlier run left half made under a temporary name, or adopts a device
// of ours with the VNI that has another name: then it is done. Where neither is in the way, the
// error says what is.
func (w *workshop) makeWay(ctx context.Context, name string) (done bool, err error) {
	d := &w.d
	k, err := getLink(ctx, w.tenant, name)
	if err != nil {
		return false, err
	}
	if k != nil {
		over, err := w.overCore(ctx, k)
		switch {
		case err != nil:
			return false, err
		case !over || k.VXLAN.VNI != d.VNI || k.VXLAN.Alias != "" && k.VXLAN.Alias != d.Alias:
			return false, fmt.Errorf("an interface %s is there, which another program made: remove it", name)
		}
		return false, deleteLink(ctx, w.tenant, k.Index)
	}
	links, err := w.tenant.dumpLinks(ctx)
	if err != nil {
		return false, err
	}
	for _, k := range links {
		if k.VXLAN.VNI != d.VNI || k.VXLAN.Port != d.Port {
			continue
		}
		over, err := w.overCore(ctx, k)
		switch {
		case err != nil:
			return false, err
		case over && k.VXLAN.Alias == d.Alias:
			return true, w.adopt(ctx, k)
		case over:
			return false, w.taken(k.Name, rib.NetnsText(w.to.Netns))
		}
	}
	if links, err = w.core.dumpLinks(ctx); err != nil {
		return false, err
	}
	for _, k := range links {
		if k.VXLAN.VNI == d.VNI && k.VXLAN.Port == d.Port && k.VXLAN.Underlay == ownNamespaceID {
			return false, w.taken(k.Name, w.coreNS.String())
		}
	}
	return false, w.taken("", "")
}

// taken is that the core has the VNI already.
func (w *workshop) taken(by, in string) error {
	if by == "" {
		return fmt.Errorf("the VNI %d with the port %d is taken in %s by a VXLAN device that was made there and moved elsewhere: find it with `ip -n NAMESPACE -d link show type vxlan` in each namespace, and remove it, or give the VRF another vni", w.d.VNI, w.d.Port, w.coreNS)
	}
	return fmt.Errorf("the VNI %d with the port %d is taken by the VXLAN device %s in %s: remove it, or give the VRF another vni", w.d.VNI, w.d.Port, by, in)
}

// finish changes what differs of a device that is there, and brings it up.
func (w *workshop) finish(ctx context.Context, k *linkState) error {
	d := &w.d
	steps := []struct {
		what    string
		differs bool
		body    []byte
	}{
		{"give it its local address", k.VXLAN.Local != d.Local || k.VXLAN.Learning, appendVXLANInfo(beginLink(k.Index, 0, 0), w.changeable())},
		{"give it its MAC address", k.VXLAN.MAC != d.MAC, appendAttr(beginLink(k.Index, 0, 0), unix.IFLA_ADDRESS, d.MAC[:])},
		{"give it its MTU", d.MTU != 0 && k.VXLAN.MTU != d.MTU, appendAttrU32(beginLink(k.Index, 0, 0), unix.IFLA_MTU, d.MTU)},
		{"put it into its VRF", k.Master != w.master, appendAttrU32(beginLink(k.Index, 0, 0), unix.IFLA_MASTER, uint32(w.master))},
	}
	if k.Name != d.Name {
		if err := w.rename(ctx, k); err != nil {
			return err
		}
	}
	for _, s := range steps {
		if !s.differs {
			continue
		}
		if err := w.change(ctx, s.what, s.body); err != nil {
			return err
		}
	}
	generates, err := generatesAddress(ctx, w.tenant, k.Index)
	if err == nil && generates {
		err = w.change(ctx, "keep it from making itself an IPv6 address", noAddress(k.Index))
	}
	if err == nil && !k.Admin {
		err = w.change(ctx, "set it up", beginLink(k.Index, unix.IFF_UP, unix.IFF_UP))
	}
	return err
}

// rename gives a device another name. Before Linux 6.2 it must be down for that.
func (w *workshop) rename(ctx context.Context, k *linkState) error {
	body := appendAttr(beginLink(k.Index, 0, 0), unix.IFLA_IFNAME, []byte(w.d.Name+"\x00"))
	err := w.change(ctx, "name it", body)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := w.change(ctx, "set it down to name it", beginLink(k.Index, 0, unix.IFF_UP)); err != nil {
		return err
	}
	k.Admin = false
	return w.change(ctx, "name it", body)
}
