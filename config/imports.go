package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// importKind reads what a route that is imported may do.
func importKind(n *node) (rib.Kind, error) {
	for _, k := range []rib.Kind{rib.KindUnicast, rib.KindBlackhole, rib.KindUnreachable, rib.KindProhibit} {
		if n.kind == kindText && n.text == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%s is not a kind of route that can be imported; write some of \"unicast\", \"blackhole\", \"unreachable\", \"prohibit\"", n.show())
}

// importTable reads a table that is imported beside the VRF's own.
func importTable(n *node) (uint32, error) {
	v, err := whole[uint32](1, math.MaxUint32, "")(n)
	if err == nil && v == tableLocal {
		return 0, errors.New("255 is the table of this host's addresses; write addresses = true to import those of the interfaces")
	}
	return v, err
}

// importKey returns the value of a key of an entry's import: the section itself in the short form.
func (e *entry) importKey(name string) *node {
	if long := e.node.get("import"); long != nil {
		return long.get(name)
	}
	return e.node.get(name)
}

// checkImport refuses what the import of a VRF cannot mean, and notes what it may be surprised
// by.
func (s settings) checkImport(p *problems, e *entry, binding rib.Binding) {
	for _, number := range e.imp.Protocols {
		if number == s.protocol {
			p.at(e.importKey("protocols"), "%d is the daemon's own route_protocol, and its own routes are never imported; remove it", number)
		}
	}
	own := cmp.Or(binding.Table, e.makes.Table)
	if own == 0 && binding.Device == "" {
		own = tableMain
	}
	for i, table := range e.imp.Tables {
		switch {
		case table == own:
			p.at(e.importKey("tables"), "has %d, which is the VRF's own table: that one is imported anyhow; remove it", table)
		case slices.Contains(e.imp.Tables[:i], table):
			p.at(e.importKey("tables"), "has %d twice; remove one of them", table)
		}
	}
	if at := e.importKey("allow-default"); at != nil && e.imp.Enabled && e.imp.AllowDefault && e.exp.Enabled && !e.exp.Filtered() {
		p.note(at, "announces the table's default route, while export takes every path: a default route that a neighbour announces is installed with metric %d, and where the table's own has a higher one, packets go by the neighbour's, and the own one is announced no more. "+
			"Have export take some communities alone, or give it a metric above that of the table's default route", e.exp.Metric)
	}
}
