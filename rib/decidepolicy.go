package rib

import "cmp"

// judged returns the paths as the policy left them, without those that it rejects. The VRF's
// own imports are not asked about: they are not what BGP has for it. Where the policy rejects
// all, what it says of the first one is by.
func (x *Exporting) judged(c *Candidates, t *Trace) (paths []Path, by string) {
	if x.policy.Policy == nil || !x.policy.Enabled && t == nil {
		return c.Paths, ""
	}
	paths = c.Judged[:0]
	for i := range c.Paths {
		p := &c.Paths[i]
		attrs := p.Attrs
		if !x.imported(attrs) {
			r := x.ask(p, c, t)
			if r.Rejected {
				by = cmp.Or(by, r.By)
				continue
			}
			attrs = r.Attrs
		}
		paths = append(paths, *p)
		paths[len(paths)-1].Attrs = attrs
	}
	c.Judged = paths
	return paths, by
}

// ask asks the policy about one path.
func (x *Exporting) ask(p *Path, c *Candidates, t *Trace) Ruling {
	s := Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: x.of, Unacted: x.looksOn}
	if c.RPKI != nil {
		s.RPKI = c.RPKI(p)
	}
	if t == nil {
		return x.policy.Policy.Judge(s, nil)
	}
	t.Judged = append(t.Judged, JudgedPath{Path: *p})
	return x.policy.Policy.Judge(s, &t.Judged[len(t.Judged)-1].Hearing)
}

// Judges tells whether a policy is asked about each path: then a decision for one prefix says
// nothing of another with the same attributes.
func (x *Exporting) Judges() bool { return x.policy.Policy != nil }

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

// rejects is the step of the policy.
func (v *Verdict) rejects() Cause {
	if v.rejected != "" {
		return PolicyRejects
	}
	return Accepted
}

// ReasonOf is why nothing of a prefix goes into the kernel, as Decide found it.
func (x *Exporting) ReasonOf(v *Verdict, c *Candidates) Reason {
	r := x.Reason(v.Out, c.Prefix)
	if v.Out == PolicyRejects {
		r.Subject = v.rejected
	}
	return r
}
