package rib

// After returns f as it is after an event. sure is false where several routes of the
// event's key stand side by side: the kernel says neither which of them a replace took,
// nor which of them it looks up first.
func (f *ForeignTable) After(ev RouteEvent) (next *ForeignTable, sure bool) {
	r := ev.Route
	if ev.Deleted {
		return f.Without(r), true
	}
	var there []Route // of f, with the same key
	for _, o := range f.Get(r.Prefix) {
		if o.Metric == r.Metric {
			there = append(there, o)
		}
	}
	switch {
	case len(there) == 0, byDevice(r) && !ev.Replaces:
		return f.With(r), true
	case ev.Beside, ev.Replaces && len(there) > 1:
		return f.With(r), false
	}
	// The one route with the key is gone: a replace takes it, whatever its protocol.
	for _, o := range there {
		f = f.Without(o)
	}
	return f.With(r), true
}
