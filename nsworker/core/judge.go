package core

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// ErrUnknown is matched by the error of a lookup that had no answer: that is no news.
var ErrUnknown = errors.New("the kernel did not answer")

// ErrTaken is matched by the error of an entrance whose label or SID another program has.
var ErrTaken = rib.ErrTaken

// judge is how far the kernel's route to a PE leads.
func judge(r rib.Route, err error, links rib.Links) rib.Lead {
	switch {
	case err != nil:
		return rib.Lead{Err: err}
	case r.Kind == rib.KindLocal:
		return rib.Lead{By: &r, Err: errors.New("it is this router's own address")}
	case r.Kind != rib.KindUnicast:
		return rib.Lead{By: &r, Err: fmt.Errorf("the route that covers it is %s %s", r.Kind, r.Prefix)}
	}
	lead := rib.Lead{By: &r, Reach: rib.NoCarrier}
	why := fmt.Errorf("the route %s has no hop", r.Prefix)
	for _, h := range r.Hops {
		link, is := links[h.Ifindex]
		switch {
		case !is:
			why = fmt.Errorf("the interface of route %s is not there", r.Prefix)
			continue
		case !link.Admin:
			why = fmt.Errorf("%s is down", link.Name)
			continue
		case h.Dead:
			why = fmt.Errorf("the route %s by %s is dead", r.Prefix, link.Name)
			continue
		case link.Up:
			lead.Reach = rib.Reached
		}
		lead.Hops = append(lead.Hops, h)
	}
	switch len(lead.Hops) {
	case 0:
		return rib.Lead{By: &r, Err: why}
	case len(r.Hops):
		lead.Hops = r.Hops
	}
	return lead
}

// same tells whether two answers are the same to all who look at them.
func same(a, b *rib.Lead) bool {
	text := func(l *rib.Lead) string {
		if l.Err == nil {
			return ""
		}
		return l.Err.Error()
	}
	by, too := a.Route(), b.Route()
	return a.Reach == b.Reach && text(a) == text(b) && by.Prefix == too.Prefix && by.Metric == too.Metric &&
		by.Protocol == too.Protocol && slices.Equal(a.Hops, b.Hops)
}
