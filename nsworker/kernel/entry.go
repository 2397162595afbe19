package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Attributes of neighbour messages that x/sys/unix does not name
// (include/uapi/linux/neighbour.h).
const (
	ndaProtocol = 12 // NDA_PROTOCOL, since Linux 5.0
	ndaObject   = 13 // NDA_NH_ID
)

// sizeofNdmsg is the size of struct ndmsg.
const sizeofNdmsg = 12

// entry is one of the neighbour entries of a link, or of the forwarding entries of a VXLAN
// device: both come in struct ndmsg.
type entry struct {
	ifindex  int
	forwards bool       // it is a forwarding entry
	addr     netip.Addr // of a neighbour; of a forwarding entry the VTEP
	mac      rib.MAC
	vni      uint32 // 0: the device's
	protocol uint8
	state    uint16
	flags    uint8
	object   uint32 // the nexthop object by which it forwards; 0: by addr
	astray   bool   // of a forwarding entry: it says more of where it leads than ours do
}

// decodeEntry reads a message about one entry. It is not ok where that is none of IPv6 or of a
// forwarding table.
func decodeEntry(m message) (e entry, ok bool, err error) {
	if len(m.body) < sizeofNdmsg {
		return e, false, fmt.Errorf("neighbour message of %d bytes is too short", len(m.body))
	}
	family := m.body[0]
	if family != unix.AF_INET6 && family != unix.AF_BRIDGE || m.typ != unix.RTM_NEWNEIGH && m.typ != unix.RTM_DELNEIGH {
		return e, false, nil
	}
	e.forwards = family == unix.AF_BRIDGE
	e.ifindex = int(int32(native.Uint32(m.body[4:])))
	e.state, e.flags = native.Uint16(m.body[8:]), m.body[10]
	a, whole := attrs{b: m.body[sizeofNdmsg:]}, false
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.NDA_CACHEINFO:
			whole = true // a VXLAN device says it of each (vxlan_fdb_info in drivers/net/vxlan/vxlan_core.c)
		case unix.NDA_DST:
			e.addr = attrAddr(v)
		case unix.NDA_LLADDR:
			e.mac = attrMAC(v)
		case unix.NDA_VNI:
			e.vni = attrU32(v)
		case ndaProtocol:
			if len(v) > 0 {
				e.protocol = v[0]
			}
		case ndaObject:
			e.object = attrU32(v)
		case unix.NDA_PORT, unix.NDA_IFINDEX, unix.NDA_SRC_VNI:
			e.astray = true
		}
	}
	if a.bad {
		return e, false, errors.New("neighbour message is malformed")
	}
	// A bridge has forwarding entries of its own for its ports, which come without NTF_SELF. And before
	// Linux 6.13 what the device has told of an entry that somebody wrote comes a second time, without
	// where it leads (rtnl_fdb_notify in net/core/rtnetlink.c).
	return e, !e.forwards || e.flags&unix.NTF_SELF != 0 && whole, nil
}

func (e *entry) permanent() bool { return e.state&unix.NUD_PERMANENT != 0 }

// kept tells whether somebody put an entry there, and not the kernel, which resolves neighbours
// and learns addresses by itself and forgets them again.
func (e *entry) kept() bool {
	return e.state&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 || e.flags&unix.NTF_EXT_LEARNED != 0 || e.protocol != 0
}

// own tells whether a neighbour entry is one that stands for a PE and that we wrote: by its
// protocol, or by how its address is made where the kernel keeps no protocol of neighbours.
func (e *entry) own(protocol uint8, kernelKeeps bool) bool {
	switch {
	case e.forwards || !e.permanent():
		return false
	case kernelKeeps:
		return e.protocol == protocol && linkLocal64.Contains(e.addr)
	}
	return rib.IsVTEPGateway(e.addr, e.mac)
}

// linkLocal64 is where the gateways are that stand for PEs.
var linkLocal64 = netip.MustParsePrefix("fe80::/64")

// neighborsHaveProtocol tells whether the kernel keeps the protocol of a neighbour entry, as it
// does since Linux 5.0: an older one takes the attribute and forgets it.
var neighborsHaveProtocol = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major int
	if unix.Uname(&u) != nil {
		return true
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.", &major)
	return err != nil || major >= 5
})

// plain tells whether a forwarding entry leads to a VTEP as ours do: for good, with the port of
// the device, by no certain link.
func (e *entry) plain() bool { return e.permanent() && e.object == 0 && !e.astray }

// leadsTo tells whether a forwarding entry is the one of an endpoint.
func (e *entry) leadsTo(to *rib.Endpoint) bool {
	return e.plain() && e.mac == to.MAC && e.addr == to.VTEP && e.vni == to.VNI
}

// dumpEntries returns the neighbour entries, or the forwarding entries, of one VXLAN device.
func dumpEntries(ctx context.Context, c *client, family byte, ifindex int) ([]entry, error) {
	var all []entry
	request := make([]byte, sizeofNdmsg)
	request[0] = family
	request = appendAttrU32(request, unix.NDA_IFINDEX, uint32(ifindex))
	err := complete(ctx, "entries for other PEs", func() error {
		all = all[:0]
		err := c.dump(ctx, unix.RTM_GETNEIGH, request, func(m message) error {
			e, ok, err := decodeEntry(m)
			// Without strict checking the kernel sends those of every link.
			if err == nil && ok && e.ifindex == ifindex && e.forwards == (family == unix.AF_BRIDGE) {
				all = append(all, e)
			}
			return err
		})
		if errors.Is(err, unix.ENODEV) {
			return nil // the link went meanwhile
		}
		return absentFamily(family, err)
	})
	return all, err
}

// getEntry returns one neighbour or forwarding entry. It is not there where the kernel says so;
// errNoGet is of a kernel before 5.0, which only dumps them.
func getEntry(ctx context.Context, c *client, family byte, ifindex int, attribute []byte) (e entry, there bool, err error) {
	flags := byte(0)
	if family == unix.AF_BRIDGE {
		flags = unix.NTF_SELF
	}
	request := append(appendNdmsg(nil, family, ifindex, 0, flags), attribute...)
	errno, text, err := c.ask(ctx, unix.RTM_GETNEIGH, request, func(m message) (err error) {
		e, there, err = decodeEntry(m)
		return err
	})
	switch {
	case err != nil:
		return e, false, err
	case errno == 0:
		return e, there && e.ifindex == ifindex, nil
	case errno == unix.ENOENT, errno == unix.ENODEV:
		return e, false, nil
	case errno == unix.EOPNOTSUPP:
		return e, false, errNoGet
	}
	return e, false, &requestError{errno, text}
}

var errNoGet = errors.New("the kernel shows no single neighbour entries")

// entryChange is one message that changes a neighbour or a forwarding entry.
type entryChange struct {
	typ, flags uint16
	forwards   bool
	to         rib.Endpoint
}

// appendEntryChange appends the message of e, which asks for no acknowledgement.
func appendEntryChange(b []byte, e *entryChange, protocol uint8, seq uint32) []byte {
	start := len(b)
	b = beginMessage(b, e.typ, unix.NLM_F_REQUEST|e.flags, seq)
	family, flags := byte(unix.AF_INET6), byte(0)
	if e.forwards {
		family, flags = unix.AF_BRIDGE, unix.NTF_SELF
	}
	b = appendNdmsg(b, family, e.to.Ifindex, unix.NUD_PERMANENT, flags)
	switch {
	case e.forwards:
		b = appendAttr(b, unix.NDA_LLADDR, e.to.MAC[:])
		// A deletion with the VTEP and the VNI finds no entry that leads elsewhere.
		b = appendAttrAddr(b, unix.NDA_DST, e.to.VTEP)
		if e.to.VNI != 0 {
			b = appendAttrU32(b, unix.NDA_VNI, e.to.VNI)
		}
	case e.typ == unix.RTM_DELNEIGH:
		b = appendAttrAddr(b, unix.NDA_DST, e.to.Gateway)
	default:
		b = appendAttrAddr(b, unix.NDA_DST, e.to.Gateway)
		b = appendAttr(b, unix.NDA_LLADDR, e.to.MAC[:])
		b = appendAttrU8(b, ndaProtocol, protocol)
	}
	return endMessage(b, start)
}

func appendNdmsg(b []byte, family byte, ifindex int, state uint16, flags byte) []byte {
	b = append(b, family, 0, 0, 0)
	b = native.AppendUint32(b, uint32(ifindex))
	b = native.AppendUint16(b, state)
	return append(b, flags, 0)
}
