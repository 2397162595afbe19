package rib

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unique"
)

// Encap is what a packet is put into on its way. The zero Encap is none. It is one word, and
// comparable, so that nexthops and hops stay so: what it says is kept once for all that say it.
type Encap struct{ of unique.Handle[encapOf] }

type encapOf struct {
	kind EncapKind
	Tunnel
}

// Tunnel is what an encapsulation says beside its kind and the PE that it leads to.
type Tunnel struct {
	VNI       uint32 // of VXLAN
	RouterMAC MAC    // of VXLAN: the inner destination address
}

// EncapOf is an encapsulation of which only the kind is known: another program's; 0: none.
func EncapOf(kind EncapKind) Encap {
	if kind == 0 {
		return Encap{}
	}
	return Encap{unique.Make(encapOf{kind: kind})}
}

// Kind is the kind of e; 0: it is none.
func (e Encap) Kind() EncapKind {
	if e == (Encap{}) {
		return 0
	}
	return e.of.Value().kind
}

// EncapKind is the kernel's number of a kind of encapsulation, enum lwtunnel_encap_types
// (include/uapi/linux/lwtunnel.h); 0: none. VXLAN is none of those there: what the kernel
// forwards by is the device, and the PE's entries on it (Endpoint).
type EncapKind uint8

// Of the kinds that BGP names VXLAN, and those that nothing here knows, are far from the kernel's
// own numbers.
const (
	EncapMPLS  EncapKind = 1
	EncapVXLAN EncapKind = 255
	EncapOther EncapKind = 254
)

// String is the kind as `ip route` names it behind "encap".
func (k EncapKind) String() string {
	names := [...]string{"none", "mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm"}
	switch {
	case int(k) < len(names):
		return names[k]
	case k == EncapVXLAN:
		return "vxlan"
	case k == EncapOther:
		return "another"
	}
	return strconv.Itoa(int(k))
}

// ByVXLAN puts packets into VXLAN with a VNI, for the router that has a MAC address (RFC 9135,
// 5.1; RFC 9136, 4.4.1).
func ByVXLAN(vni uint32, router MAC) Encap {
	return Encap{unique.Make(encapOf{EncapVXLAN, Tunnel{VNI: vni, RouterMAC: router}})}
}

// Tunnel is what e says beside its kind; the zero one where that is not known.
func (e Encap) Tunnel() Tunnel {
	if e == (Encap{}) {
		return Tunnel{}
	}
	return e.of.Value().Tunnel
}

// EncapTo is an encapsulation, and the PE that it leads to; invalid: that is not to be told.
type EncapTo struct {
	Encap
	PE netip.Addr
}

// String is t for a person: "vxlan 100 to 10.255.0.2, 02:00:00:00:02:01"; "" where it is none.
func (t EncapTo) String() string {
	if t.Encap == (Encap{}) {
		return ""
	}
	s, is := t.Kind().String(), t.Tunnel()
	if t.Kind() == EncapVXLAN {
		s += " " + strconv.FormatUint(uint64(is.VNI), 10)
	}
	switch {
	case !t.PE.IsValid():
	case t.Kind() == EncapVXLAN:
		s = fmt.Sprintf("%s to %s, %s", s, t.PE, is.RouterMAC)
	default:
		s = fmt.Sprintf("%s to %s", s, t.PE)
	}
	return s
}

// AppendKey appends what makes two encapsulations different, and nothing for none. The ids of
// nexthop objects are made of it, and outlive the daemon.
func (e Encap) AppendKey(b []byte) []byte {
	if e == (Encap{}) {
		return b
	}
	b = append(b, 'e', byte(e.Kind()))
	if t := e.Tunnel(); t != (Tunnel{}) {
		b = strconv.AppendUint(b, uint64(t.VNI), 10)
		b = append(append(b, '-'), t.RouterMAC[:]...)
	}
	return b
}

// MAC is the Ethernet address of an interface. The zero one is none.
type MAC [6]byte

// ParseMAC reads an address of six bytes in one of the usual forms.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q is no MAC address; write one like 02:00:00:00:01:01", s)
	}
	return MAC(hw), nil
}

// Unicast tells whether it can be the address of one router.
func (m MAC) Unicast() bool { return m != MAC{} && m[0]&1 == 0 }

// String is the usual form.
func (m MAC) String() string {
	b := make([]byte, 0, 3*len(m))
	for i := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, m[i:i+1])
	}
	return string(b)
}

// Carrier is the family of BGP by which another router's path came into a VRF.
type Carrier uint8

// What carries paths. NotCarried are those of neighbours in the VRF, those of the global table,
// and this router's own.
const (
	NotCarried Carrier = iota
	ByVPN              // a VPN route (RFC 4364), which has a label
	ByEVPN             // an IP prefix route of EVPN, type 5 (RFC 9136)
)

// String names the family for a person.
func (c Carrier) String() string {
	switch c {
	case ByVPN:
		return "VPN"
	case ByEVPN:
		return "EVPN"
	}
	return "plain"
}

// MaxVNI is the largest VXLAN network identifier: it has 24 bits (RFC 7348, 5).
const MaxVNI = 1<<24 - 1
