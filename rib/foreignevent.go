package rib

// After returns f as it is after an event. sure is false where several routes of the
// event's key stand side by side: the kernel says neither which of them a replace took,
// nor which of them it looks up first.
func (f *ForeignTable) After(ev RouteEvent) (next *ForeignTable, sure bool) {
	r := ev.Route
	if ev.Deleted {
		return f.Without(r), true
	}
	old := f.Get(r.Prefix)
	others := make([]Route, 0, len(old)) // with another key
	for _, o := range old {
		if o.Metric != r.Metric {
			others = append(others, o)
		}
	}
	there := len(old) - len(others)
	switch {
	case there == 0, byDevice(r) && !ev.Replaces:
		return f.With(r), true
	case ev.Beside, ev.Replaces && there > 1:
		return f.With(r), false
	}
	// The one route with the key is gone: a replace takes it, whatever its protocol.
	n := f.routes
	n[FamilyOf(r.Prefix)] -= there - 1
	return &ForeignTable{f.tree.with(pack(r.Prefix.Masked()), inserted(others, after(others, r.Metric), r)), n}, true
}
