package rib

import "cmp"

// rejection is which policy rejects all that there is of a prefix.
type rejection struct {
	at Place  // AtReceive or AtPolicy; 0: none does
	by string // what the first path that came there was rejected by
}

// judged returns the paths as the policies left them, without those that one of them rejects.
// The VRF's own imports are not asked about: they are not what BGP has for it.
func (x *Exporting) judged(c *Candidates, t *Trace) (paths []Path, why rejection) {
	if !x.Judges() || !x.policy.Enabled && t == nil {
		return c.Paths, why
	}
	paths = c.Judged[:0]
	for i := range c.Paths {
		paths = append(paths, c.Paths[i])
		if p := &paths[len(paths)-1]; !x.imported(p.Attrs) {
			at, by := x.ask(p, c, t)
			if at > why.at {
				why = rejection{at, by}
			}
			if at != 0 {
				paths = paths[:len(paths)-1]
			}
		}
	}
	c.Judged = paths
	if len(paths) > 0 {
		why = rejection{}
	}
	return paths, why
}

// ask asks the policies about one path, which is from then on as they left it, and returns which
// one rejects it; 0: none.
func (x *Exporting) ask(p *Path, c *Candidates, t *Trace) (at Place, by string) {
	s := Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: x.of, Unacted: x.looksOn}
	others, given := p.Attrs.Source != x.of && !p.Attrs.ByRule, p.Attrs // by a rule: it has a policy of its own
	for at, policy := range [...]Judge{AtReceive: x.policy.Receive, AtPolicy: x.policy.Policy} {
		if policy == nil || Place(at) == AtReceive && !others {
			continue
		}
		var h *Hearing
		if t != nil {
			t.Judged = append(t.Judged, JudgedPath{At: Place(at), Path: *p})
			t.Judged[len(t.Judged)-1].Path.Attrs = given
			h = &t.Judged[len(t.Judged)-1].Hearing
		}
		s.RPKI = x.rpki.For(policy, p)
		r := policy.Judge(s, h)
		if r.Rejected {
			return Place(at), r.By
		}
		s.Attrs, p.Attrs = r.Attrs, r.Attrs
	}
	return 0, ""
}

// Judges tells whether a policy is asked about each path: then a decision for one prefix says
// nothing of another with the same attributes.
func (x *Exporting) Judges() bool { return x.policy.Policy != nil || x.policy.Receive != nil }

// LookingOn is x for who shows what is decided and does not act on it: the policy counts
// nothing.
func (x *Exporting) LookingOn() *Exporting {
	c := *x
	c.looksOn = true
	return &c
}

// metric is that of the route which a path becomes.
func (x *Exporting) metric(a *Attrs) uint32 { return cmp.Or(a.KernelTerms().Metric, x.policy.Metric) }

// terms finds what the kernel is told of the route beside its nexthops: what the best path's
// policy set, or the VRF's own.
func (x *Exporting) terms(c *Candidates, v *Verdict) {
	if len(v.Chosen) == 0 {
		return
	}
	best, family := v.Chosen[0].Attrs, FamilyOf(c.Prefix)
	v.Metric, v.PrefSrc = x.metric(best), x.policy.PrefSrc[family]
	if src := best.KernelTerms().PrefSrc[family]; src.IsValid() {
		v.PrefSrc = src
	}
}

// rejects is the step of a policy.
func (v *Verdict) rejects(at Place) Cause {
	if v.rejected.at == at {
		return PolicyRejects
	}
	return Accepted
}

// ReasonOf is why nothing of a prefix goes into the kernel, as Decide found it.
func (x *Exporting) ReasonOf(v *Verdict, c *Candidates) Reason {
	r := x.Reason(v.Out, c.Prefix)
	if v.Out == PolicyRejects {
		r.Subject = v.rejected.by
	}
	return r
}
