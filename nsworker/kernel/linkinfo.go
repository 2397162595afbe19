package kernel

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// ownNamespaceID is the number of a namespace in itself: the kernel gives none for it
// (NETNSA_NSID_NOT_ASSIGNED in include/uapi/linux/net_namespace.h).
const ownNamespaceID = -1

// linkInfo are the attributes of a link that say what kind of link it is, and those that only
// a VXLAN device has a use for here.
type linkInfo struct {
	kind     string
	data     []byte // of the kind
	mac      []byte
	alias    []byte
	underlay int32
}

// take takes in an attribute of a link.
func (i *linkInfo) take(typ uint16, v []byte) {
	switch typ {
	case unix.IFLA_LINKINFO:
		a := attrs{b: v}
		for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
			switch typ {
			case unix.IFLA_INFO_KIND:
				i.kind = attrString(v)
			case unix.IFLA_INFO_DATA:
				i.data = v
			}
		}
	case unix.IFLA_ADDRESS:
		i.mac = v
	case unix.IFLA_IFALIAS:
		i.alias = v
	case unix.IFLA_LINK_NETNSID:
		i.underlay = int32(attrU32(v))
	}
}

// describe completes a link of which all other attributes are known.
func (i *linkInfo) describe(k *linkState) {
	a := attrs{b: i.data}
	switch i.kind {
	case "vrf":
		k.vrf = true
		for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
			if typ == unix.IFLA_VRF_TABLE {
				k.VRFTable = attrU32(v)
			}
		}
	case "vxlan":
		k.VXLAN = decodeVXLAN(a)
		k.VXLAN.MAC, k.VXLAN.MTU = attrMAC(i.mac), k.mtu
		k.VXLAN.Underlay, k.VXLAN.Alias = i.underlay, printable(attrString(i.alias))
	}
}

// decodeVXLAN reads the attributes that VXLAN devices alone have (vxlan_fill_info in
// drivers/net/vxlan/vxlan_core.c).
func decodeVXLAN(a attrs) (x rib.VXLAN) {
	many := false // VNIs, which the packets' metadata say
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.IFLA_VXLAN_ID:
			x.VNI = attrU32(v)
		case unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6:
			x.Local = attrAddr(v)
		case unix.IFLA_VXLAN_PORT:
			if len(v) >= 2 {
				x.Port = binary.BigEndian.Uint16(v)
			}
		case unix.IFLA_VXLAN_LEARNING:
			x.Learning = len(v) > 0 && v[0] != 0
		case unix.IFLA_VXLAN_COLLECT_METADATA:
			many = len(v) > 0 && v[0] != 0
		}
	}
	if many {
		x.VNI = 0
	}
	return x
}

// endpointDevice tells whether a link is a VXLAN device that can have endpoints of the table at
// where: one for one VNI, and in no bridge and no other VRF. What comes in by a device is looked
// up in the main table, or in that of its VRF: other tables have none.
func (k *linkState) endpointDevice(where rib.Where) bool {
	forwardsIn := where.Device != 0 || where.Table == unix.RT_TABLE_MAIN
	return k.VXLAN.VNI != 0 && k.Master == where.Device && forwardsIn
}

// endpointDevices are the links that can have endpoints of the table at where.
func (c linkCache) endpointDevices(where rib.Where) (list []int) {
	for index, k := range c {
		if k.endpointDevice(where) {
			list = append(list, index)
		}
	}
	return list
}
