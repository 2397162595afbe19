package gobgp3

import "unsafe"

// GoBGP goes through all VRFs for each best path of VPN routes, to find those that have an id of its zebra
// client (setPathVrfIdMap in pkg/server/server.go). None has, and of 4,000 VRFs that takes longer than all
// else that it does with the route. So it gets tables without VRFs while it handles a message, or what we
// put in; its neighbours keep theirs, by which it tells those in VRFs of routes.

// setVRFsAside leaves in GoBGP's tables the one VRF by which it makes VPN routes of what a neighbour
// there sends, until putVRFsBack; "": none. What is called in the loop meanwhile sees all by rib. It does
// nothing where some are aside already.
func setVRFsAside(l *loop, but string) {
	at := l.globalRib.in(unsafe.Pointer(l.server()))
	if l.allVRFs != nil || *at == nil || len((*at).Vrfs) < 2 {
		return
	}
	l.allVRFs = *at
	few := *l.allVRFs
	few.Vrfs = nil
	if v := l.allVRFs.Vrfs[but]; v != nil {
		few.Vrfs = map[string]*bgpVRF{but: v}
	}
	*at = &few
}

// putVRFsBack ends that.
func putVRFsBack(l *loop) {
	if l.allVRFs != nil {
		*l.globalRib.in(unsafe.Pointer(l.server())) = l.allVRFs
		l.allVRFs = nil
	}
}
