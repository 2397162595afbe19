package kernel

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// ownNamespaceID is the number of a namespace in itself: the kernel gives none for it
// (NETNSA_NSID_NOT_ASSIGNED in include/uapi/linux/net_namespace.h).
const ownNamespaceID = -1

// linkInfo are the attributes of a link that say what kind of link it is, and those that only
// VXLAN and VRF devices have a use for here.
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

// vrfTable is the table of a VRF device; it is not ok where the link is none.
func (i *linkInfo) vrfTable() (table uint32, ok bool) {
	if i.kind != "vrf" {
		return 0, false
	}
	return attrU32(attribute(i.data, unix.IFLA_VRF_TABLE)), true
}

// vxlan is how a VXLAN device with an MTU is made; zero where the link is none.
func (i *linkInfo) vxlan(mtu uint32) rib.VXLAN {
	if i.kind != "vxlan" {
		return rib.VXLAN{}
	}
	x := decodeVXLAN(attrs{b: i.data})
	x.MAC, x.MTU, x.Underlay, x.Alias = attrMAC(i.mac), mtu, i.underlay, printable(attrString(i.alias))
	return x
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

// printable returns the name of an interface as it may be shown. The kernel takes
// any byte but a blank, a slash and a colon (dev_valid_name), and who is root in a
// tenant's namespace chooses: an escape sequence for an operator's terminal, or bytes
// that are no UTF-8, with which no message of the API can be sent. Such a name is written
// as Go would quote it; every other name stays as it is.
func printable(name string) string {
	strange := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if !strings.ContainsFunc(name, strange) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}
