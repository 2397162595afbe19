package gobgp3

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Imports is how far a VRF is with announcing what it imports since the start.
type Imports uint8

const (
	// NoImports is of one that announces nothing for now: nobody runs it, or its namespace or device is not there.
	NoImports Imports = iota
	// ImportsComing is of one that reads its table, or is about to.
	ImportsComing
	// ImportsAnnounced is of one of which BGP has them all.
	ImportsAnnounced
)

// opening is the start of BGP, until what VRFs import is announced. A neighbour that kept our routes
// while we were away (RFC 4724, 4.2) drops with the End-of-RIB those that did not come before it, so
// none is sent while the opening lasts: the imports come from the kernel, later than the sessions may
// be up. What it waits for may never come, so it is bounded.
type opening struct {
	imports func(vrf string) Imports // nil: nothing is imported
	deaf    func(vrf string) bool    // other PEs are told of none of its routes
	settled func() bool              // what was said of VRFs is so

	// The loop's own.
	vrfs  []string  // that are not done
	until time.Time // zero: it is over, or has not begun
	next  time.Time // when it is looked at again
}

const (
	// longestOpening is less than GoBGP and FRR wait by default for the End-of-RIB (360 s each).
	longestOpening = 30 * time.Second
	// openingPause keeps thousands of VRFs from being asked at every part of a job.
	openingPause = 10 * time.Millisecond
)

// begin is called before there are sessions.
func (o *opening) begin(vrfs []speaker.VRF) {
	if o.imports == nil {
		return
	}
	o.vrfs = []string{speaker.Default}
	for _, v := range vrfs {
		o.vrfs = append(o.vrfs, v.Name)
	}
	o.until = time.Now().Add(longestOpening)
}

// lasts is called in the loop.
func (o *opening) lasts() bool {
	now := time.Now()
	switch {
	case o.until.IsZero():
		return false
	case now.Before(o.next):
		return true
	}
	o.next = now.Add(openingPause)
	o.vrfs = slices.DeleteFunc(o.vrfs, o.done)
	if now.Before(o.until) && (len(o.vrfs) > 0 || !o.settled()) {
		return true
	}
	o.vrfs, o.until = nil, time.Time{}
	return false
}

// done tells whether nothing more of a VRF is to be waited for. One that takes no packets yet goes out
// to nobody.
func (o *opening) done(vrf string) bool {
	switch o.imports(vrf) {
	case ImportsComing:
		return false
	case ImportsAnnounced:
		return !o.deaf(vrf)
	default:
		return true
	}
}
