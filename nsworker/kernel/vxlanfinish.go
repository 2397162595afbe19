package kernel

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

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
	generates, err := w.tenant.generatesAddress(ctx, k.Index)
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

// makeWay removes what an earlier run left half made under a temporary name, or adopts a device
// of ours with the VNI that has another name: then it is done. Where neither is in the way, the
// error says what is.
func (w *workshop) makeWay(ctx context.Context, name string) (done bool, err error) {
	d := &w.d
	k, err := w.tenant.getLink(ctx, name)
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
		return false, w.tenant.deleteLink(ctx, k.Index)
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
