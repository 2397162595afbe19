package gobgp3

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// word is what is said of the paths that the neighbours of one VRF sent.
type word struct {
	nexthops *unreached // nil: nothing
	policy   rib.Judge  // others are not told of what it rejects; nil: there is none
	// installed: others are told of what the VRF's gate lets pass alone.
	installed bool
}

// rejects tells whether the policy rejects a path, of which the RPKI may say something. The VRF's worker asks it too, and acts and
// counts.
func (w word) rejects(p *rib.Path, vrf string, by *rib.RPKI) bool {
	if w.policy == nil {
		return false
	}
	s := rib.Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: vrf, RPKI: by.For(w.policy, p), Unacted: true}
	return w.policy.Judge(s, nil).Rejected
}

// sieve is a policy that says of prefixes alone what it makes of them.
type sieve interface {
	OfPrefix(prefix netip.Prefix) (rejected, known bool)
}

// rejectsAll says whether the policy rejects all paths for a prefix, or none; known is false where
// it depends on them.
func (w word) rejectsAll(prefix netip.Prefix) (rejected, known bool) {
	if w.policy == nil {
		return false, true
	}
	by, is := w.policy.(sieve)
	if !is {
		return false, false
	}
	return by.OfPrefix(prefix)
}
