package lab

import (
	"encoding/binary"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// device is a VRF device as the watch knows it.
type device struct {
	name  string
	table uint32
}

// takeLink follows the VRF devices of the namespace. Links and routes come
// through one socket, so that each route is judged by the devices there are when
// it is written. The caller holds run.mu.
func (w *Watch) takeLink(m message) {
	if len(m.data) < unix.SizeofIfInfomsg || m.data[0] != unix.AF_UNSPEC {
		return
	}
	index := int32(binary.NativeEndian.Uint32(m.data[4:8]))
	if m.kind == unix.RTM_DELLINK {
		delete(w.devices, index)
		return
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(&syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: m.kind}, Data: m.data})
	if err != nil {
		w.violate("a link message cannot be read: " + err.Error())
		return
	}
	var d device
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			d.name = strings.TrimRight(string(a.Value), "\x00")
		case unix.IFLA_LINKINFO:
			info := nested(a.Value)
			if strings.TrimRight(string(info[unix.IFLA_INFO_KIND]), "\x00") == "vrf" {
				if table := nested(info[unix.IFLA_INFO_DATA])[unix.IFLA_VRF_TABLE]; len(table) == 4 {
					d.table = binary.NativeEndian.Uint32(table)
				}
			}
		}
	}
	if d.table != 0 {
		w.devices[index] = d
	}
}

// deviceOf returns the VRF device that has a table; of several, both.
func (w *Watch) deviceOf(table uint32) string {
	if len(w.devices) == 0 {
		return ""
	}
	var names []string
	for _, d := range w.devices {
		if d.table == table {
			names = append(names, d.name)
		}
	}
	return strings.Join(names, "+")
}

// nlaTypeMask takes NLA_F_NESTED and NLA_F_NET_BYTEORDER off an attribute's type.
const nlaTypeMask = 0x3fff

// nested reads attributes inside an attribute, by type.
func nested(b []byte) map[uint16][]byte {
	attrs := make(map[uint16][]byte)
	for len(b) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		attrs[binary.NativeEndian.Uint16(b[2:])&nlaTypeMask] = b[unix.SizeofRtAttr:length]
		b = b[min((length+3)&^3, len(b)):]
	}
	return attrs
}

// Trust tells the watch that a peer which writes routes of its own is in this
// namespace, and no daemon under test.
func (w *Watch) Trust() {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	w.trusted = true
}
