package rib

// Tenant is a network namespace, or a VRF device of the daemon's own namespace, that there is on this
// machine.
type Tenant struct {
	// Name is that of a namespace below NetnsDir, or an absolute path to one, or that of a device.
	Name   string
	Device bool
	// Dev and Inode say which namespace it is; of a device they are zero.
	Dev, Inode uint64
	Own        bool // the daemon's own namespace
}
