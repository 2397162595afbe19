package rib

import "net/netip"

// WithPaths returns every prefix that has a path, in any order.
func (f *Feed) WithPaths() []netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]netip.Prefix, 0, f.withPaths[IPv4]+f.withPaths[IPv6])
	for slot, c := range f.cells.All {
		if !c.empty() {
			list = append(list, f.key(slot).prefix())
		}
	}
	return list
}
