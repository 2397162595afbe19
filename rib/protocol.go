package rib

import (
	"fmt"
	"strconv"
)

// protocolNames returns the names of route protocols, which are those of
// iproute2's rt_protos, and our own.
func protocolNames() []struct {
	name   string
	number uint8
} {
	return []struct {
		name   string
		number uint8
	}{
		{"unspec", 0},
		{"redirect", ProtoRedirect},
		{"kernel", ProtoKernel},
		{"boot", ProtoBoot},
		{"static", ProtoStatic},
		{"gated", 8},
		{"ra", ProtoRA},
		{"mrt", 10},
		{"zebra", 11},
		{"bird", 12},
		{"dnrouted", 13},
		{"xorp", 14},
		{"ntk", 15},
		{"dhcp", ProtoDHCP},
		{"keepalived", 18},
		{"babel", 42},
		{"openr", 99},
		{"vrfredist", ProtoOwn},
		{"bgp", 186},
		{"isis", 187},
		{"ospf", 188},
		{"rip", 189},
		{"eigrp", 192},
	}
}

// ParseProtocol reads a route protocol (rtm_protocol) by its name as `ip route`
// prints it ("kernel", "static", "dhcp", "ra"), or as a number from 0 to 255.
func ParseProtocol(s string) (uint8, error) {
	for _, p := range protocolNames() {
		if p.name == s {
			return p.number, nil
		}
	}
	if n, ok := decimal(s, 255); ok {
		return uint8(n), nil
	}
	return 0, fmt.Errorf("route protocol %q: neither a known name nor a number from 0 to 255; write it as `ip route` shows it after proto, for example kernel, static, dhcp, ra, bird or 186", s)
}

// ProtocolName is the name of a route protocol as `ip route` prints it, a
// number where it has none.
func ProtocolName(n uint8) string {
	for _, p := range protocolNames() {
		if p.number == n {
			return p.name
		}
	}
	return strconv.Itoa(int(n))
}
