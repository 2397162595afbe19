package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// A template is laid below the file: each tenant that it matches becomes an item of [[vrfs]], one of
// [[netlink.vrfs]] and its neighbours, of nodes that keep the template's lines, before anything of
// the file is read.

// expand takes the templates out of a file, and puts in what they make of what there is. sampled adds
// a tenant to each that there is not.
func expand(p *problems, root *node, layers *Layers, sampled bool) (list *node, out tenancy) {
	list = root.get("netlink").get("templates")
	if list == nil {
		return nil, tenancy{ids: newAllotment(layers.Presence(), nil).next}
	}
	root.label("")
	walker{p, nil, netlinkSchema()}.value(list, netlinkSchema()["templates"], "netlink.templates")
	root.get("netlink").set("templates", nil, 0)
	before := len(p.list)
	all := readTemplates(p, list)
	e := &expansion{templates: all, presence: layers.Presence().orNone(), holders: append(holdersIn(root), holdersOf(layers)...)}
	e.allotment, e.callers = newAllotment(e.presence, all), make(map[string][]netip.Addr)
	e.run()
	if sampled && len(p.list) == before {
		e.sample()
	}
	e.fresh.appendTo(root)
	return list, tenancy{tenants: e.tenants, ids: e.allotment.next, next: e.allotment.soon, seeks: seeksOf(all, e.holders), doors: e.doors, callers: e.callers}
}

// expansion is what templates come to.
type expansion struct {
	templates []*template
	presence  *Presence
	holders   []holder // of the file, and of what was applied
	allotment *allotment

	tenants []Tenant
	fresh   additions
	doors   []rib.Doorway
	callers map[string][]netip.Addr
}

func (e *expansion) run() {
	matched := e.match()
	for _, t := range e.templates {
		if t.unusable {
			continue
		}
		sights := matched[t]
		names := make([]string, len(sights))
		for i, s := range sights {
			names[i] = s.Name
		}
		var ids map[string]rib.Grant
		if t.numbered {
			ids = e.allotment.give(t, names, e.holders)
		}
		for _, s := range sights {
			e.admit(t, s, ids[s.Name])
		}
	}
}

// admit makes a tenant a VRF, if it has what that takes.
func (e *expansion) admit(t *template, s *Sight, id rib.Grant) {
	tenant := Tenant{Name: s.Name, Template: t.name, ID: id.Number}
	switch {
	case !t.numbered || id.Number != 0:
		e.add(t, s, id.Number)
	case id.Until.IsZero():
		tenant.Waits = fmt.Sprintf("template %q has no id left for it: ids = %q are all in use, by tenants or by VRFs with such a route distinguisher; write a wider range", t.name, t.ids)
	default:
		tenant.Waits = fmt.Sprintf("template %q has no id left for it: those of ids = %q that are not in use rest, the first of them until %s; write a wider range, or wait", t.name, t.ids, id.Until.UTC().Format(time.RFC3339))
	}
	e.tenants = append(e.tenants, tenant)
}

func (e *expansion) add(t *template, s *Sight, id uint32) {
	tenantShape{}.add(&e.fresh, s.Name, t.section(s, id))
	for _, list := range [][]*node{e.fresh.tenants, e.fresh.long} {
		if len(list) > 0 {
			list[len(list)-1].adopt(t.node.path)
		}
	}
	e.fresh.neighbors = append(e.fresh.neighbors, t.neighbors(s, id)...)
	for _, n := range t.neighborsWanted {
		e.doors = append(e.doors, n.doors(s)...)
		if n.prefix.IsValid() && len(s.Callers) > 0 {
			e.callers[s.Name] = s.Callers
		}
	}
	e.holders = append(e.holders, holder{name: s.Name, rd: filled(t.node.get("rd").text, id, s.Name)})
}

// sample adds a tenant to each template, so that its values are judged: one with the largest id, which
// needs the most room.
func (e *expansion) sample() {
	for _, t := range e.templates {
		taken, id := t.takenBy(e.holders), t.ids.last
		for id > t.ids.first && taken[id] != "" {
			id--
		}
		if taken[id] != "" {
			continue // by its own tenants
		}
		s := &Sight{Name: e.sampleName(t), Device: t.device != ""}
		for _, n := range t.neighborsWanted {
			n.sample(s)
		}
		e.add(t, s, id)
	}
}

// sampleName is a name like those that a template matches, which nobody has.
func (e *expansion) sampleName(t *template) string {
	name := sampleOf(t)
	for i := 1; slices.ContainsFunc(e.holders, func(h holder) bool { return h.name == name }); i++ {
		number := strconv.Itoa(i)
		name = sampleOf(t)
		if most := 15 - len(number); t.device != "" && len(name) > most {
			name = name[:most]
		}
		name += number
	}
	return name
}

// match says which tenants each template has: who has a VRF already needs none, and of two templates
// the first has it.
func (e *expansion) match() map[*template][]*Sight {
	sights, matched := e.presence.Sights(), make(map[*template][]*Sight)
	held, taken := heldBy(e.holders, sights), newTakings()
	for _, t := range e.templates {
		if t.unusable {
			continue
		}
		var here []*Sight
		for i := range sights {
			if s := &sights[i]; t.matches(s) && !s.Own && !held.has(s) {
				here = append(here, s)
			}
		}
		slices.SortFunc(here, func(a, b *Sight) int {
			// Of two names of one namespace the one that it was known by stays.
			if x, y := e.presence.ids.heldBy(t.name, a.Name), e.presence.ids.heldBy(t.name, b.Name); x != y {
				if x {
					return -1
				}
				return 1
			}
			return strings.Compare(a.Name, b.Name)
		})
		for _, s := range here {
			if taken.take(s) {
				matched[t] = append(matched[t], s)
			}
		}
		slices.SortFunc(matched[t], func(a, b *Sight) int { return strings.Compare(a.Name, b.Name) })
	}
	return matched
}

// holdersIn are the VRFs that a file has.
func holdersIn(root *node) (list []holder) {
	at := make(map[string]int)
	of := func(n *node) *holder {
		if n == nil {
			return &holder{}
		}
		i, is := at[n.text]
		if !is {
			i, at[n.text] = len(list), len(list)
			list = append(list, holder{name: n.text})
		}
		return &list[i]
	}
	for _, item := range listAt(root, "vrfs") {
		of(item.get("config").get("name")).rd = textOf(item.get("config").get("rd"))
	}
	for _, item := range listAt(root, "netlink", "vrfs") {
		h := of(item.get("name"))
		h.netns, h.device = textOf(item.get("netns")), textOf(item.get("device"))
	}
	return list
}

func textOf(n *node) string {
	if n == nil {
		return ""
	}
	return n.text
}

// holdersOf are the VRFs that were applied.
func holdersOf(l *Layers) (list []holder) {
	for _, key := range l.Keys() {
		if key.Neighbor {
			continue
		}
		layer, _ := l.Get(key)
		var is struct{ RD, Netns, Device string }
		if json.Unmarshal(layer.Section, &is) == nil {
			list = append(list, holder{key.Name, is.Netns, is.Device, is.RD, true})
		}
	}
	return list
}

// seeksOf is what templates ask of this machine.
func seeksOf(all []*template, holders []holder) (s Seeks) {
	for _, t := range all {
		switch {
		case t.unusable:
		case t.netns != "":
			s.Netns = append(s.Netns, t.netns)
		default:
			s.Devices = append(s.Devices, t.device)
		}
		if len(t.neighborsWanted) > 0 {
			s.Links = append(s.Links, t.netns+t.device)
		}
	}
	for _, h := range holders {
		switch {
		case strings.HasPrefix(h.netns, "/"):
			s.Paths = append(s.Paths, h.netns)
		case h.netns != "":
			s.Bound = append(s.Bound, h.netns)
		}
	}
	return s
}
