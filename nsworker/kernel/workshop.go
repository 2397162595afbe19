package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// VXLANDevice is a VXLAN device as it is to be in the namespace of a VRF. It never learns
// addresses, and its underlay is the core, whatever VXLAN says of both.
type VXLANDevice struct {
	Name string
	rib.VXLAN
}

// check refuses what no device can be made of.
func (d *VXLANDevice) check() error {
	refuse := func(why string) error { return fmt.Errorf("cannot make the VXLAN device %q: %s", d.Name, why) }
	if why := linkNameFault(d.Name, d.Alias); why != "" {
		return refuse(why)
	}
	switch {
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

// temporary is the name that a device has until it is marked. It is as long as a name may be,
// and says the VNI: what has it and is not marked was left by a daemon that was killed.
func temporary(vni uint32) string {
	const longest = unix.IFNAMSIZ - 1
	number := strconv.FormatUint(uint64(vni), 36)
	return "vrfredist-" + strings.Repeat("0", max(0, longest-len("vrfredist-")-len(number))) + number
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

// overCore tells whether the packets of a VXLAN device of the tenant's namespace go by the tables
// of the core: the kernel says a number of the tenant's for that namespace.
func (w *workshop) overCore(ctx context.Context, k *linkState) (bool, error) {
	if w.same() {
		return k.VXLAN.Underlay == ownNamespaceID, nil
	}
	number, err := numberOf(ctx, w.tenant, w.coreNS)
	return number != ownNamespaceID && number == k.VXLAN.Underlay, err
}

// change makes a change to a link in the tenant's namespace.
func (w *workshop) change(ctx context.Context, what string, body []byte) error {
	errno, text, err := w.tenant.do(ctx, unix.RTM_NEWLINK, 0, body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case errno != 0:
		return w.refusal(what, errno, text)
	}
	return nil
}

// refusal is the kernel's refusal of a step, with what is to be done about it.
func (w *workshop) refusal(step string, errno syscall.Errno, text string) error {
	err := fmt.Errorf("%s: %w", step, &requestError{errno, text})
	switch errno {
	case unix.EPERM, unix.EACCES:
		return fmt.Errorf("%w: run with CAP_NET_ADMIN in %s and in %s", err, w.coreNS, w.tenantNS)
	case unix.EADDRINUSE:
		return fmt.Errorf("%w: another program has the UDP port %d in %s, see ss -lunp there; end it, or change port in [netlink.vxlan]", err, w.d.Port, w.coreNS)
	case unix.EAFNOSUPPORT:
		return fmt.Errorf("%w: IPv6 is off in %s, and the entries for other PEs need it", err, w.tenantNS)
	}
	return err
}
