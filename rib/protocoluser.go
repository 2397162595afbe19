package rib

import "slices"

// ProtocolUser is a program that writes routes with protocol numbers of its own.
type ProtocolUser struct {
	Name      string
	Processes []string // as /proc/PID/comm has them
	Numbers   []uint8  // rtm_protocol
}

// ProtocolUsers returns those that are likely beside vrfredist.
// include/uapi/linux/rtnetlink.h says whose the numbers are, FRR's
// zebra/rt_netlink.h what it uses, and the others' documentation what they are
// configured with.
func ProtocolUsers() []ProtocolUser {
	return []ProtocolUser{
		{"FRR", []string{"zebra"}, []uint8{11, 42, 99, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198}},
		{"BIRD", []string{"bird", "bird6"}, []uint8{12}},
		{"gobgp-netlink", []string{"gobgpd"}, []uint8{186, 201}},
		{"keepalived", []string{"keepalived"}, []uint8{18}},
		{"babeld", []string{"babeld"}, []uint8{42}},
		{"Calico", []string{"calico-node"}, []uint8{80}},
		{"OVN", []string{"ovn-controller"}, []uint8{84}},
		{"Open/R", []string{"openr"}, []uint8{99}},
		{"the DHCP client", []string{"dhclient", "dhcpcd"}, []uint8{16}},
		{"the kernel's IPv6 router discovery", nil, []uint8{9}},
		{"XORP", []string{"xorp_fea"}, []uint8{14}},
		{"mrouted", []string{"mrouted", "pimd"}, []uint8{17}},
		{"GateD", []string{"gated"}, []uint8{8}},
		{"MRT", []string{"mrtd"}, []uint8{10}},
		{"the DECnet routing daemon", []string{"dnroute"}, []uint8{13}},
		{"Netsukuku", []string{"ntkd"}, []uint8{15}},
	}
}

// ProtocolUsersOf returns who uses a number.
func ProtocolUsersOf(number uint8) []ProtocolUser {
	return slices.DeleteFunc(ProtocolUsers(), func(u ProtocolUser) bool { return !slices.Contains(u.Numbers, number) })
}
