package rib

// After returns f as it is after an event. It is not sure where several routes of
// the event's key stand side by side: the kernel does not say then which of them is
// replaced, nor which comes first.
func (f *FIB) After(ev RouteEvent) (next *FIB, sure bool) {
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
	// Whatever had the key is gone: the kernel replaces without asking whose it is.
	for _, o := range there {
		f = f.Without(o)
	}
	return f.With(r), true
}
