package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// Applying returns the layers that there are once a request is in force: all themselves, where
// nothing would change. c is the configuration that is in force with some of them, or all, and was
// read from file. Whether they make a configuration is found out by reading it. The error may be
// vrf.FieldFaults, or match vrf.ErrStale or vrf.ErrUnknown.
func Applying(c *Config, all *Layers, file string, r vrf.ApplyRequest) (*Layers, error) {
	a := &applying{ApplyRequest: r, shape: shapeOf(r.Key)}
	if err := a.read(); err != nil {
		return nil, err
	}
	if a.old, a.had = all.Get(r.Key); r.Generation != nil && *r.Generation != a.old.Generation {
		return nil, stale(r.Key, a.old)
	}
	root := (&reading{path: file, data: c.Text, layers: c.layers.one(r.Key)}).tree(&problems{file: file})
	a.was = a.shape.join(root, r.Key.Name)
	if a.was == nil && len(r.Fields) > 0 {
		return nil, fmt.Errorf("%s: %w; without a field mask it is made", r.Key, vrf.ErrUnknown)
	}
	if err := a.moves(); err != nil {
		return nil, err
	}
	if r.Alone && (a.had && !c.Made(r.Key) || !a.had && a.was != nil) {
		return nil, fmt.Errorf("%s: %w", r.Key, vrf.ErrBelow)
	}
	before := a.was.snaked() // the tree may share nodes with what comes of it
	changed := differing(before, a.after(before), "")
	if err := a.judge(changed); err != nil {
		return nil, err
	}
	layer := a.layer(changed)
	if a.had && layer.same(a.old) {
		return all, nil
	}
	next := all.next().Generation
	if concern(a.asked, "import") {
		layer.Imports = next
	}
	if concern(a.asked, "export") {
		layer.Exports = next
	}
	layer.Changed = time.Now().UTC().Truncate(time.Second)
	return all.With(r.Key, layer.read()), nil
}

// Deleting returns the layers that there are once what was applied to a VRF or a neighbour is
// gone; below is whether something is under it. With a VRF of which nothing is left
// go the neighbours that were applied to it.
func Deleting(c *Config, all *Layers, file string, r vrf.DeleteRequest) (next *Layers, below bool, err error) {
	old, had := all.Get(r.Key)
	switch {
	case !had:
		return nil, false, fmt.Errorf("%s: %w", r.Key, vrf.ErrNothingApplied)
	case r.Generation != nil && *r.Generation != old.Generation:
		return nil, false, stale(r.Key, old)
	}
	if err := mayDelete(old, r.May); err != nil {
		return nil, false, err
	}
	root := beneath(c, file)
	below = shapeOf(r.Key).join(root, r.Key.Name) != nil
	next = all.Without(r.Key)
	if below || r.Key.Neighbor {
		return next, below, nil
	}
	neighbors := all.Only(func(key vrf.LayerKey) bool { return key.Neighbor })
	for _, is := range AppliedLayers(c, neighbors, file) {
		if is.VRF == r.Key.Name {
			next.of.remove(is.Key)
		}
	}
	return next, false, nil
}

// beneath is what is below all that was applied: the file, and the VRFs of its templates.
func beneath(c *Config, file string) *node {
	templated := c.layers.Only(func(key vrf.LayerKey) bool { return key.Template })
	return (&reading{path: file, data: c.Text, layers: templated}).tree(&problems{file: file})
}

// mayDelete asks whether the caller may change all that goes.
func mayDelete(old Layer, may func(field string, was, value any) error) error {
	if may == nil {
		return nil
	}
	fields := old.Fields
	section := readJSON(&problems{}, old.Section)
	if len(fields) == 0 {
		fields = slices.Sorted(maps.Keys(section.snaked()))
	}
	for _, path := range fields {
		var was any
		if n := section.at(path); n != nil {
			was = snakedValue(n.plain())
		}
		if err := may(path, was, nil); err != nil {
			return err
		}
	}
	return nil
}

// AppliedLayers are what was applied over the API, in force or not: VRFs by name, and then neighbours.
func AppliedLayers(c *Config, all *Layers, file string) []vrf.Layer {
	var list []vrf.Layer
	var root *node // the file's, when it is needed
	for _, key := range all.Keys() {
		layer, _ := all.Get(key)
		is := vrf.Layer{Key: key, VRF: key.Name, Fields: layer.Fields, Made: c.Made(key), Generation: layer.Generation, Owner: layer.Owner, Changed: layer.Changed}
		if key.Neighbor {
			section := readJSON(&problems{}, layer.Section)
			of := section.get("vrf")
			if of == nil && len(layer.Fields) > 0 {
				if root == nil {
					root = beneath(c, file)
				}
				of = neighborShape{}.join(root, key.Name).get("vrf")
			}
			is.VRF = vrf.Default
			if of != nil {
				is.VRF = of.text
			}
		}
		list = append(list, is)
	}
	return list
}

func stale(key vrf.LayerKey, now Layer) error {
	if now.Generation == 0 {
		return fmt.Errorf("%s: %w: nothing is applied to it (generation 0)", key, vrf.ErrStale)
	}
	return fmt.Errorf("%s: %w: it has generation %d; read it again, and apply what you want of it with that generation", key, vrf.ErrStale, now.Generation)
}

// applying is one request with what it is laid over.
type applying struct {
	vrf.ApplyRequest
	shape   shape
	section *node // of the request
	was     *node // what is in force; nil: nothing is
	old     Layer
	had     bool
	asked   []string // the fields that the request is about; none: it is the whole
}

// read checks what can be checked of a request by itself.
func (a *applying) read() error {
	p := &problems{}
	a.section = readJSON(p, a.Section)
	if a.section == nil {
		return vrf.FieldFaults{{Why: p.list.Error()}}
	}
	var faults vrf.FieldFaults
	for _, path := range a.Fields {
		if why := badField(a.Key, path); why != "" {
			faults = append(faults, vrf.FieldFault{Field: "mask", Why: why})
		}
	}
	for i, item := range listAt(a.section, "policies") {
		if n := item.get("name"); !a.Key.Neighbor && n != nil && !isPolicyOf(item, a.Key.Name) {
			faults = append(faults, vrf.FieldFault{
				Field: fmt.Sprintf("policies[%d].name", i),
				Why:   fmt.Sprintf("%s is not called after the VRF; policies that are applied with one are its own: write %q", n.show(), a.Key.Name+"/"+n.text),
			})
		}
	}
	if a.Key == (vrf.LayerKey{Name: vrf.Default}) {
		for _, key := range tenantFields {
			if a.section.get(key) != nil {
				faults = append(faults, vrf.FieldFault{Field: snake(key), Why: "means nothing for default, which is the global routing table; leave it out"})
			}
		}
	}
	a.asked = a.Fields
	if fault := a.naming(); fault.Why != "" {
		faults = append(faults, fault)
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// naming has a section that is whole say which one it is.
func (a *applying) naming() vrf.FieldFault {
	key, name := "name", a.Key.Name
	if a.Key.Neighbor {
		key = "address"
		name, _ = a.Key.Address()
	}
	switch n := a.section.get(key); {
	case n != nil && n.text != name:
		return vrf.FieldFault{Field: key, Why: fmt.Sprintf("is %s, and the request is about %s", n.show(), a.Key)}
	case n == nil && len(a.Fields) == 0:
		a.section.put(key, 0, &node{kind: kindText, text: name})
	}
	return vrf.FieldFault{}
}

// moves refuses that a neighbour comes into another VRF: it is somebody else's there.
func (a *applying) moves() error {
	if !a.Key.Neighbor || a.was == nil || a.May == nil && !concern(a.Fields, "vrf") {
		return nil
	}
	of := func(section *node) string {
		if n := section.get("vrf"); n != nil {
			return n.text
		}
		return vrf.Default
	}
	if is, asked := of(a.was), of(a.section); is != asked {
		return vrf.FieldFaults{{Field: "vrf", Why: fmt.Sprintf("%q: %s is a neighbour of VRF %q already; remove it there first, or give this one another address", asked, a.Key.Name, is)}}
	}
	return nil
}

// after is what would be in force.
func (a *applying) after(before map[string]any) map[string]any {
	if len(a.Fields) == 0 {
		return a.section.snaked()
	}
	data, _ := json.Marshal(before) // what came of JSON goes into it
	now := readJSON(&problems{}, data)
	for _, path := range a.Fields {
		now.setAt(path, a.section.at(path), 0)
	}
	return now.snaked()
}

// judge asks whether the caller may change what would change.
func (a *applying) judge(changed map[string]difference) error {
	if a.May == nil {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		if err := a.May(path, changed[path].was, changed[path].is); err != nil {
			return err
		}
	}
	return nil
}

// layer is what is to be kept. Of who may not change everything it is what it changed, so that
// the rest goes on following the layer below.
func (a *applying) layer(changed map[string]difference) Layer {
	fields := a.Fields
	if len(fields) == 0 && a.May != nil && a.was != nil {
		fields = slices.Sorted(maps.Keys(changed))
		a.asked = fields
		if len(fields) == 0 {
			return a.old
		}
	}
	layer := Layer{Fields: fields, Owner: a.Owner, Imports: a.old.Imports, Exports: a.old.Exports}
	if a.Owner == "" {
		layer.Owner = a.old.Owner
	}
	section := a.section
	if len(fields) > 0 {
		base := &node{kind: kindSection}
		if a.had {
			base = readJSON(&problems{}, a.old.Section)
			layer.Fields = a.old.Fields // none: it stays the whole
		}
		for _, path := range fields {
			base.setAt(path, section.at(path), 0)
			if !a.had || len(a.old.Fields) > 0 {
				layer.Fields = withPath(layer.Fields, path)
			}
		}
		section = base
	}
	layer.Section, _ = json.Marshal(section.snaked()) // what came of JSON goes into it
	return layer
}

func (l Layer) same(o Layer) bool {
	return string(l.Section) == string(o.Section) && slices.Equal(l.Fields, o.Fields) && l.Owner == o.Owner
}
