package rib

import "net/netip"

// Advertising says what neighbours are told of the paths that the neighbours of a VRF sent.
type Advertising struct {
	// Rejects is the policy of which they are not told what it rejects; nil: there is none.
	Rejects Judge
	// Installed: they are told of prefixes that are confirmed alone: see Confirmation.
	Installed bool
	// PassesOn says that the VRF's own neighbours are told what its worker passes on of the paths
	// that route targets lead into it, and none of those themselves. It counts for the VRFs of
	// Extras.Screened.
	PassesOn bool
}

// Rejecting is a judge for Advertising.Rejects: nil in place of one that rejects nothing, whatever a
// path is like, since each path that comes in is held against it.
func Rejecting(j Judge) Judge {
	if of, is := j.(interface{ MayReject() bool }); is && !of.MayReject() {
		return nil
	}
	return j
}

// Confirmation says whether the kernel forwards by a VRF's route for a prefix, as the VRF means
// it: then neighbours may be told of its paths.
type Confirmation struct {
	Prefix netip.Prefix
	Is     bool
}
