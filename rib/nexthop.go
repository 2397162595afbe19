package rib

// Nexthop is a kernel nexthop object (include/uapi/linux/nexthop.h): one way
// out, or a group of others. Ids are one space for a whole namespace.
type Nexthop struct {
	ID      uint32
	IPv6    bool // of a single one without a gateway: the family of the routes that may use it
	Hop     Hop  // of a single one; Weight is not used
	Members []NexthopMember
}

// NexthopMember is a member of a group.
type NexthopMember struct {
	ID     uint32
	Weight uint16 // 1 to MaxWeight where it is ours
}

// Group tells whether n is a group. The kernel never replaces one by the other.
func (n Nexthop) Group() bool { return len(n.Members) > 0 }
