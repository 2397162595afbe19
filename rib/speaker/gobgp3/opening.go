package gobgp3

import (
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

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

// opening is the start of BGP, until what VRFs import is announced, and of a restart until what the
// neighbours send is there. A neighbour that kept our routes while we were away (RFC 4724, 4.2) drops
// with the End-of-RIB those that did not come before it, so none is sent while the opening lasts: the
// imports come from the kernel, and the routes of another neighbour in its session, later than a
// session may be up. GoBGP waits for those neighbours alone that are up. What an opening waits for may
// never come, so it is bounded.
type opening struct {
	*loop
	imports func(vrf string) Imports // nil: nothing is imported
	deaf    func(vrf string) bool    // other PEs are told of none of its routes
	settled func() bool              // what was said of VRFs is so

	restarted bool // what neighbours send is waited for

	// The loop's own.
	came  map[string]bool // neighbours that have sent all
	vrfs  []string        // that are not done
	until time.Time       // zero: it is over, or has not begun
	next  time.Time       // when it is looked at again
}

const (
	// longestOpening is less than GoBGP and FRR wait by default for the End-of-RIB (360 s each).
	longestOpening = 30 * time.Second
	// openingPause keeps thousands of VRFs from being asked at every part of a job.
	openingPause = 10 * time.Millisecond
)

// begin is called before there are sessions.
func (o *opening) begin(vrfs []speaker.VRF) {
	if o.imports != nil {
		o.vrfs = []string{speaker.Default}
		for _, v := range vrfs {
			o.vrfs = append(o.vrfs, v.Name)
		}
	}
	o.came = make(map[string]bool)
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
	if now.Before(o.until) && (len(o.vrfs) > 0 || !o.settled() || !o.back()) {
		return true
	}
	o.came, o.vrfs, o.until = nil, nil, time.Time{}
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

// back tells whether all neighbours have sent all that may.
func (o *opening) back() bool {
	if !o.restarted {
		return true
	}
	for key, p := range o.peers() {
		if !o.came[key] && !p.isDown() && !hasSentAll(p) {
			return false
		}
		o.came[key] = true
	}
	return true
}

// hasSentAll tells whether nothing is to be waited for that a neighbour sends when its session begins:
// of one that offers no graceful restart nobody can know, and one that restarts too waits for us
// (RFC 4724, 4.1).
func hasSentAll(p livePeer) (has bool) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		if !n.GracefulRestart.Config.Enabled || isDynamic(n) {
			has = true
			return
		}
		has = state == bgp.BGP_FSM_ESTABLISHED && (p.offered().restarted || !slices.ContainsFunc(n.AfiSafis, func(a oc.AfiSafi) bool {
			s := a.MpGracefulRestart.State
			return s.Enabled && s.Received && !s.EndOfRibReceived
		}))
	})
	return has
}
