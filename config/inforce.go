package config

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Layers are what was applied over the API, and is laid over the file.
func (c *Config) Layers() *Layers { return c.layers }

// Made tells whether a VRF or neighbour was made over the API: the file does not have it.
func (c *Config) Made(key vrf.LayerKey) bool {
	_, is := c.layers.Get(key)
	return is && !c.over[key]
}

// Over is what is in force beside a file.
type Over struct {
	Overlay *Overlay // nil: nothing was set at run time
	Listen  []string // of the daemon's command line, in place of the file's addresses of the API
}

// InForce says what is in force of a configuration that was read from file: every key that is
// written, with its line, what was set at run time in place of it, and the defaults, ours and those
// that GoBGP fills in of neighbours, peer groups, RPKI servers, families and where BGP listens. Read as a file it means what c means, but for the
// passwords, which are left out.
func (c *Config) InForce(file string, bgp BGP, over Over) (vrf.InForce, error) {
	w, err := c.readAgain(file, bgp)
	if err != nil {
		return vrf.InForce{}, err
	}
	f := &forced{Config: c, writtenDown: w, over: over, origins: make(map[*node]vrf.Origin)}
	if over.Overlay == nil {
		f.specs = c.VRFs
	} else {
		f.specs = over.Overlay.Over(c)
	}
	if c.Awaits {
		withoutStandIn(w.root)
	}
	for _, n := range startedValues(w.root.get("global")) {
		f.origins[n] = vrf.FromRunTime
	}
	if bgp.Filled != nil {
		text, err := bgp.Filled(c.BGP)
		if err == nil {
			err = filling(func(to *node, key string, value any) { f.add(to, key, value, vrf.ByDefault) }).fill(w.root, text)
		}
		if err != nil {
			return vrf.InForce{}, fmt.Errorf("fill in GoBGP's defaults: %w", err)
		}
	}
	u := newUsers(w.root, f.specs)
	e := &sectionWriter{origins: f.origins, users: u}
	e.file(f.tree())
	return vrf.InForce{File: file, Sections: e.out}, nil
}

// readAgain reads a file that was read before, and so has no faults.
func (c *Config) readAgain(file string, bgp BGP) (*writtenDown, error) {
	bgp.Waits, bgp.Check = nil, nil // what they say was said
	r := &reading{path: file, data: c.Text, layers: c.layers, bgp: bgp}
	_, err := r.once()
	return &r.writtenDown, err
}

// forced makes the tree of what is in force.
type forced struct {
	*Config
	*writtenDown
	over    Over
	specs   []vrf.Spec
	origins map[*node]vrf.Origin // of nodes that are not the file's
}

// tree returns the whole file: GoBGP's part as it is written, and [netlink] as it comes out.
func (f *forced) tree() *node {
	root := &node{kind: kindSection}
	for _, of := range f.root.fields {
		switch of.name {
		case "netlink":
		case "vrfs":
			root.put(of.written, of.line, f.tenants(of.value))
		case "neighbors":
			root.put(of.written, of.line, f.neighbors(of.value))
		default:
			root.put(of.written, of.line, of.value)
		}
	}
	root.put("netlink", 0, f.netlink())
	return root
}

// add puts a value that is not the file's into a section.
func (f *forced) add(section *node, key string, value any, origin vrf.Origin) {
	if n := valueNode(value); n != nil {
		f.origins[n] = origin
		section.put(key, 0, n)
	}
}

// shown puts the keys of a table into a section: each as it is in force, with the line of the
// section of the file that has it.
func shown[S any](f *forced, to *node, table []shownKey[S], s *S, from func(key string) *node, set map[string]bool) {
	for _, k := range table {
		n := valueNode(k.value(s))
		if n == nil {
			continue
		}
		switch at := from(k.key); {
		case set[k.key]:
			f.origins[n] = vrf.FromRunTime
		case at != nil:
			n.line, n.templated = at.line, at.templated
		default:
			f.origins[n] = vrf.ByDefault
		}
		to.put(k.key, n.line, n)
	}
}

// netlink is [netlink] in the long form.
func (f *forced) netlink() *node {
	was, to := f.root.get("netlink"), &node{kind: kindSection}
	shown(f, to, settingsShown, &f.settings, func(key string) *node {
		if key == "route-protocol" {
			return cmpNode(was.get(key), was.get("export").get(key))
		}
		return was.get(key)
	}, nil)
	to.put("api", 0, f.api(was.get("api")))
	if m := was.get("metrics"); present(m) {
		to.put("metrics", m.line, f.withDefaults(m, metricsShown, &f.settings))
	}
	for _, name := range []string{"core", "vxlan", "mpls", "srv6"} {
		if n := was.get(name); present(n) {
			to.put(name, n.line, f.withDefaults(n, coreShown[name], &f.settings))
		}
	}
	to.putThere("policies", was.get("policies"))
	to.putThere("templates", f.templates)
	list, rules := &node{kind: kindList}, &node{kind: kindList}
	for i := range f.specs {
		switch s := &f.specs[i]; {
		case s.Encapsulates(): // follows of another
		case s.VRF != "":
			if rule := f.secondary(s); rule != nil {
				rules.items = append(rules.items, rule)
			}
		default:
			list.items = append(list.items, f.vrf(s))
		}
	}
	if len(rules.items) > 0 {
		export := &node{kind: kindSection}
		f.add(export, "enabled", true, vrf.FromFile)
		export.put("rules", 0, rules)
		to.put("export", 0, export)
	}
	if len(list.items) > 0 {
		to.put("vrfs", 0, list)
	}
	return to
}

// withDefaults is a section of the file with the keys of a table that it leaves out.
func (f *forced) withDefaults(n *node, table []shownKey[settings], s *settings) *node {
	to := &node{kind: kindSection, line: n.line}
	for _, of := range n.fields {
		to.put(of.name, of.line, of.value)
	}
	shown(f, to, table, s, n.get, nil) // put leaves alone what is there
	return to
}

// api is [netlink.api] as it is in force.
func (f *forced) api(was *node) *node {
	to, limits := &node{kind: kindSection}, &node{kind: kindSection}
	shown(f, limits, limitsShown, &f.API.Limits, was.get("limits").get, nil)
	switch {
	case len(f.over.Listen) > 0:
		f.add(to, "listen", f.over.Listen, vrf.FromCommand)
	case was.get("listen") == nil:
		f.add(to, "listen", f.API.Listen, vrf.ByDefault)
	}
	if present(was) {
		for _, of := range was.fields {
			if of.name != "limits" {
				to.put(of.name, of.line, of.value)
			}
		}
	}
	to.put("limits", 0, limits)
	return to
}

// entryOf is where the file says something of a VRF's redistribution; nil: nowhere.
func (f *forced) entryOf(name string) *entry {
	i := slices.IndexFunc(f.entries, func(e *entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return f.entries[i]
}

// atRunTime are the keys of a direction that were set at run time.
func (f *forced) atRunTime(name string, d vrf.Direction) map[string]bool {
	if f.over.Overlay == nil {
		return nil
	}
	return f.over.Overlay.keysSet(f.layers, name, d)
}

// vrf is an item of [[netlink.vrfs]].
func (f *forced) vrf(s *vrf.Spec) *node {
	to, e := &node{kind: kindSection}, f.entryOf(s.Name)
	if e == nil {
		e = &entry{} // it was enabled at run time
		f.add(to, "name", s.Name, vrf.FromRunTime)
	} else if n := e.node.get("name"); e.long && n != nil {
		to.put("name", n.line, n)
	} else {
		f.add(to, "name", s.Name, vrf.FromFile)
	}
	f.binding(to, e, s)
	imp, exp := &node{kind: kindSection}, &node{kind: kindSection}
	shown(f, imp, importShown, &s.Import, e.importAt.get, f.atRunTime(s.Name, vrf.Import))
	shown(f, exp, exportShown, &s.Export, e.exportAt.get, f.atRunTime(s.Name, vrf.Export))
	to.put("import", 0, imp)
	to.put("export", 0, exp)
	if bgp := e.node.get("bgp"); e.long && present(bgp) {
		to.put("bgp", bgp.line, bgp)
	}
	return to
}

// binding says where a VRF's table is, and how its packets get to other PEs.
func (f *forced) binding(to *node, e *entry, s *vrf.Spec) {
	if e.long {
		for _, of := range e.node.fields {
			if of.value.kind != kindSection && of.name != "name" {
				to.put(of.name, of.line, of.value)
			}
		}
	} else {
		for _, k := range bindingShown {
			f.add(to, k.key, k.value(&e.binding), vrf.FromFile)
		}
	}
	switch c := &s.Carriage; c.Kind {
	case rib.EncapVXLAN:
		f.addMissing(to, "vxlan-device", c.Device, vrf.ByDefault)
		f.addMissing(to, "router-mac", c.Router.String(), vrf.ByDefault)
	case rib.EncapMPLS:
		if c.Label != 0 {
			f.addMissing(to, "label", uint64(c.Label), vrf.Allocated)
		}
	case rib.EncapSRv6:
		if c.SRv6.SID.IsValid() && !c.SRv6.SID6.IsValid() { // of two there is no key
			f.addMissing(to, "sid", c.SRv6.SID.String(), vrf.Allocated)
		}
	}
}

func (f *forced) addMissing(to *node, key string, value any, origin vrf.Origin) {
	if to.get(key) == nil {
		f.add(to, key, value, origin)
	}
}

// secondary is the rule of gobgp-netlink's that makes a secondary table; nil: it is off, or is
// written in the VRF's own section, where alone a device can be named.
func (f *forced) secondary(s *vrf.Spec) *node {
	if !s.Export.Enabled || f.inTenant(s) {
		return nil
	}
	to := &node{kind: kindSection}
	switch {
	case s.VRF != vrf.Default:
		f.add(to, "vrf", s.VRF, vrf.FromFile)
	case s.Binding.Device != "":
		f.add(to, "vrf", s.Binding.Device, vrf.FromFile)
	}
	if s.Binding.Table != 0 {
		f.add(to, "table-id", uint64(s.Binding.Table), vrf.FromFile)
	}
	f.rule(to, s)
	return to
}

// inTenant tells whether a secondary table is written in its VRF's own section.
func (f *forced) inTenant(s *vrf.Spec) bool { return s.VRF != vrf.Default && s.Binding.Device != "" }

// rule has what the rules of gobgp-netlink say of a table.
func (f *forced) rule(to *node, s *vrf.Spec) {
	e, set := f.entryOf(s.Name), f.atRunTime(s.Name, vrf.Export)
	either := s.Export
	either.CommunityList, either.Community = slices.Concat(either.Community, either.CommunityList), nil
	shown(f, to, slices.DeleteFunc(slices.Clone(exportShown), func(k shownKey[rib.ExportPolicy]) bool {
		return !slices.Contains([]string{"community-list", "large-community-list", "metric"}, k.key)
	}), &either, e.exportAt.get, set)
}

// tenants are [[vrfs]], without the keys of gobgp-netlink that are said in the long form.
func (f *forced) tenants(was *node) *node {
	list := &node{kind: kindList, line: was.line}
	for _, item := range sections(was) {
		to := &node{kind: kindSection, line: item.line}
		for _, of := range item.fields {
			if of.name != "netlink-import" && of.name != "netlink-export" {
				to.put(of.name, of.line, of.value)
			}
		}
		for i := range f.specs {
			s, name := &f.specs[i], item.get("config").get("name")
			if name != nil && s.VRF == name.text && s.Export.Enabled && !s.Encapsulates() && f.inTenant(s) {
				export := &node{kind: kindSection}
				f.add(export, "enabled", true, vrf.FromFile)
				f.add(export, "linux-vrf", s.Binding.Device, vrf.FromFile)
				f.rule(export, s)
				to.put("netlink-export", 0, export)
			}
		}
		list.items = append(list.items, to)
	}
	return list
}

// neighbors are [[neighbors]], with what holds for each where neither it nor its group says so.
func (f *forced) neighbors(was *node) *node {
	groups := peerGroups(f.root)
	list := &node{kind: kindList, line: was.line}
	for _, item := range sections(was) {
		config := item.get("config")
		n := grouped{own: item}
		if g := config.get("peer-group"); g != nil {
			n.group = groups[g.text]
		}
		terms := rib.DefaultTerms()
		to := &node{kind: kindSection, line: config.lineOf()}
		if present(config) {
			for _, of := range config.fields {
				to.put(of.written, of.line, of.value)
			}
		}
		for _, k := range termsShown {
			if n.config(k.key) == nil {
				f.add(to, snake(k.key), k.value(&terms), vrf.ByDefault)
			}
		}
		copied := &node{kind: kindSection, line: item.line}
		copied.put("config", to.line, to)
		for _, of := range item.fields {
			copied.put(of.name, of.line, of.value)
		}
		list.items = append(list.items, copied)
	}
	return list
}
