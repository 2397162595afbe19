package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// workshop is where a device is made: a socket in the core, and one in the tenant's namespace.
type workshop struct {
	coreNS, tenantNS *namespace
	core, tenant     *client
	to               rib.Binding
	d                VXLANDevice // as it is to be
	master           int         // the index of the VRF device of the tenant; 0: it has none
}

func openWorkshop(spaces *Namespaces, core, tenant rib.Binding, d VXLANDevice) (_ *workshop, err error) {
	w := &workshop{to: tenant, d: d}
	if w.coreNS, err = spaces.open(core.Netns); err != nil {
		return nil, err
	}
	if w.tenantNS, err = spaces.open(tenant.Netns); err == nil {
		if w.core, err = dialClient(w.coreNS, anyPort); err == nil {
			w.tenant, err = dialClient(w.tenantNS, anyPort)
		}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// close frees what openWorkshop opened.
func (w *workshop) close() {
	for _, c := range []*client{w.core, w.tenant} {
		if c != nil {
			_ = c.close() // nothing can be lost
		}
	}
	for _, ns := range []*namespace{w.coreNS, w.tenantNS} {
		if ns != nil {
			ns.close()
		}
	}
}

// same tells whether core and tenant are one namespace.
func (w *workshop) same() bool { return w.coreNS.id == w.tenantNS.id }

// deliver makes the device, or adopts the one that is there.
func (w *workshop) deliver(ctx context.Context) error {
	if err := w.findMaster(ctx); err != nil {
		return err
	}
	k, err := w.tenant.getLink(ctx, w.d.Name)
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
	k, err := w.tenant.getLink(ctx, w.to.Device)
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
	if err := w.tenant.deleteLink(ctx, k.Index); err != nil {
		return err
	}
	return w.make(ctx)
}

// overCore tells whether the packets of a VXLAN device of the tenant's namespace go by the tables
// of the core: the kernel says a number of the tenant's for that namespace.
func (w *workshop) overCore(ctx context.Context, k *linkState) (bool, error) {
	if w.same() {
		return k.VXLAN.Underlay == ownNamespaceID, nil
	}
	number, err := w.tenant.numberOf(ctx, w.coreNS)
	return number != ownNamespaceID && number == k.VXLAN.Underlay, err
}

// temporary is the name that a device has until it is marked. It is as long as a name may be,
// and says the VNI: what has it and is not marked was left by a daemon that was killed.
func temporary(vni uint32) string {
	const longest = unix.IFNAMSIZ - 1
	number := strconv.FormatUint(uint64(vni), 36)
	return "vrfredist-" + strings.Repeat("0", max(0, longest-len("vrfredist-")-len(number))) + number
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
		undo := w.tenant.deleteLink(context.WithoutCancel(ctx), k.Index)
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
	k, err := w.tenant.getLink(ctx, name)
	if err == nil && (k == nil || k.VXLAN.VNI != w.d.VNI) {
		err = fmt.Errorf("%s is not there any more, as which it was made: another program in %s has removed or renamed it", name, rib.NetnsText(w.to.Netns))
	}
	return k, err
}

// newDevice is the message that creates the device.
func (w *workshop) newDevice(name string) []byte {
	b := appendAttr(beginLink(0, 0, 0), unix.IFLA_IFNAME, []byte(name+"\x00"))
	b = appendAttr(b, unix.IFLA_ADDRESS, w.d.MAC[:])
	if w.d.MTU != 0 {
		b = appendAttrU32(b, unix.IFLA_MTU, w.d.MTU)
	}
	if w.master != 0 {
		b = appendAttrU32(b, unix.IFLA_MASTER, uint32(w.master))
	}
	if !w.same() {
		b = appendAttrU32(b, unix.IFLA_NET_NS_FD, uint32(w.tenantNS.file.Fd()))
	}
	data := appendAttrU32(nil, unix.IFLA_VXLAN_ID, w.d.VNI)
	data = appendAttr(data, unix.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, w.d.Port))
	return appendVXLANInfo(b, append(data, w.changeable()...))
}

// changeable are the attributes of a VXLAN device that can be changed later.
func (w *workshop) changeable() []byte {
	typ := uint16(unix.IFLA_VXLAN_LOCAL)
	if w.d.Local.Is6() {
		typ = unix.IFLA_VXLAN_LOCAL6
	}
	return appendAttrU8(appendAttrAddr(nil, typ, w.d.Local), unix.IFLA_VXLAN_LEARNING, 0)
}

func appendVXLANInfo(b, data []byte) []byte {
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("vxlan\x00"))
	return appendAttr(b, unix.IFLA_LINKINFO, appendAttr(info, unix.IFLA_INFO_DATA, data))
}
