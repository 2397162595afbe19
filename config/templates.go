package config

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// What stands for the tenant in the values of a template.
const (
	idPlace   = "{id}"
	namePlace = "{name}"
)

// idQuarantine is for how long an id that a tenant had is given to no other, where nothing says
// otherwise.
const idQuarantine = 10 * time.Minute

// template is an item of [[netlink.templates]].
type template struct {
	node            *node
	name            string
	netns, device   string // patterns, of which it has one
	inside          bool   // the key device names the VRF device in each namespace
	ids             idRange
	quarantine      time.Duration
	numbered        bool // something in it is made of the id
	unusable        bool // something is wrong with it, and was said
	neighborsWanted []templateNeighbor
}

// idRange are the ids of a template.
type idRange struct{ first, last uint32 }

func (r idRange) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

func ids(n *node) (r idRange, err error) {
	const write = `write the first and the last one, such as "1000-1999"`
	first, last, is := strings.Cut(n.text, "-")
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
	switch {
	case n.kind != kindText || !is || errA != nil || errB != nil:
		return r, fmt.Errorf("%s is no range of ids, which are numbers below 2^32; %s", n.show(), write)
	case a > b:
		return r, fmt.Errorf("%s begins behind its end; %s", n.show(), write)
	case a == 0:
		return r, fmt.Errorf("%s begins at 0, which is no id; write 1 or more", n.show())
	}
	return idRange{uint32(a), uint32(b)}, nil
}

var templateKeys = keys[template]{
	"name":          one(text, func(t *template) *string { return &t.name }),
	"netns":         one(namePattern, func(t *template) *string { return &t.netns }),
	"device":        one(devicePattern, func(t *template) *string { return &t.device }),
	"ids":           one(ids, func(t *template) *idRange { return &t.ids }),
	"id-quarantine": one(duration(time.Second, 365*day), func(t *template) *time.Duration { return &t.quarantine }),
}

// tenantKeysOfTemplates are read where the VRF of a tenant is.
var tenantKeysOfTemplates = []string{"rd", "both-rt-list", "import-rt-list", "export-rt-list", "table", "interfaces"}

// namePattern reads a pattern of namespaces.
func namePattern(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	const write = `write a pattern of names as "ip netns" lists them, such as "tenant-*"`
	switch {
	case strings.Contains(s, "/"):
		return "", fmt.Errorf("%q can match nothing: names of namespaces, which are files in %s, have no slash; %s", s, rib.NetnsDir, write)
	case leastOf(s) > 255:
		return "", fmt.Errorf("%q can match nothing: a name has at most 255 bytes; %s", s, write)
	}
	return s, pattern(s, write)
}

// devicePattern reads a pattern of VRF devices.
func devicePattern(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	const write = `write a pattern of VRF devices, such as "vrf-*"`
	switch {
	case strings.ContainsAny(s, "/:") || strings.ContainsAny(s, " \t\n"):
		return "", fmt.Errorf("%q can match nothing: the name of a device has no white space, '/' and ':'; %s", s, write)
	case leastOf(s) > 15:
		return "", fmt.Errorf("%q can match nothing: the name of a device has at most 15 bytes; %s", s, write)
	}
	return s, pattern(s, write)
}

func pattern(s, write string) error {
	_, err := path.Match(s, "")
	switch {
	case s == "":
		return fmt.Errorf("is empty; %s", write)
	case s == "." || s == "..":
		return fmt.Errorf("%q can match nothing; %s", s, write)
	case err != nil:
		return fmt.Errorf("%q is not a pattern; write *, ? or a closed [a-z] in a name", s)
	}
	return nil
}

// leastOf is the length of the shortest name that a pattern may match.
func leastOf(pattern string) (least int) {
	in := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case in:
			in = c != ']'
		case c == '*':
		case c == '[':
			in = true
			least++
		case c == '\\':
			i++
			least++
		default:
			least++
		}
	}
	return least
}

// readTemplates reads [[netlink.templates]].
func readTemplates(p *problems, list *node) (all []*template) {
	for _, item := range sections(list) {
		before := len(p.list)
		t := &template{node: item, quarantine: idQuarantine}
		read(p, item, templateKeys, t)
		t.numbered = mentions(item, idPlace)
		t.check(p)
		for _, other := range all {
			t.beside(p, other)
		}
		t.neighborsWanted = readTemplateNeighbors(p, item)
		t.unusable = len(p.list) > before
		all = append(all, t)
	}
	return all
}

// check judges a template by itself. What its values are for a tenant is judged where they are
// read.
func (t *template) check(p *problems) {
	item := t.node
	lacks := func(key, write string) { p.add(item.line, join(item.path, key), "is missing; %s", write) }
	switch netns, device := item.get("netns"), item.get("device"); {
	case netns == nil && device == nil:
		lacks("netns", `write a pattern of namespaces, such as netns = "tenant-*", or device = "vrf-*" for VRF devices`)
	case netns != nil && device != nil:
		t.within(p, device)
	case device != nil && item.get("table") != nil:
		p.at(item.get("table"), "and device exclude each other; a device that is there when it matches brings its own table, remove one")
	case device != nil && item.get("interfaces") != nil:
		p.at(item.get("interfaces"), "means nothing for VRF devices that others make; whoever makes one puts interfaces into it, remove the key")
	}
	if item.get("name") == nil {
		lacks("name", "name the template: ids are kept by that name")
	} else if t.name == "" && !item.get("name").isBad() && item.get("name").kind == kindText {
		p.at(item.get("name"), "is empty; name the template: ids are kept by that name")
	}
	if item.get("rd") == nil {
		lacks("rd", `write a route distinguisher with the tenant's id in it, such as "65000:{id}"`)
	}
	for _, key := range []string{"rd", "vni", "label", "sid", "router-mac", "vxlan-device", "core-link", "core-device", "core-table"} {
		if n := item.get(key); n != nil && !n.isBad() && !mentions(n, idPlace) && !mentions(n, namePlace) {
			p.at(n, "%s would be that of every tenant; write it with {id} in it, which is another number for each", n.show())
		}
	}
	if n := item.get("ids"); n == nil && t.numbered {
		lacks("ids", `{id} stands for a number of the tenant's; write which there are, such as ids = "1000-1999"`)
	} else if n != nil && !t.numbered {
		p.at(n, "is used by nothing: the template has no {id}; remove it")
	}
}

// within takes device for the name of the VRF device in each namespace.
func (t *template) within(p *problems, device *node) {
	t.inside, t.device = true, ""
	if strings.ContainsAny(device.text, "*?[") {
		p.at(device, "%s is a pattern, and beside netns it names the VRF device in each namespace; write a name, or a template by device alone", device.show())
	}
	if n := t.node.get("neighbors"); n != nil {
		p.at(n, "cannot be had of tenants that are VRF devices inside namespaces; write [[neighbors]], or a template by netns alone")
	}
}

// beside judges a template beside an earlier one.
func (t *template) beside(p *problems, other *template) {
	if t.name != "" && t.name == other.name {
		p.at(t.node.get("name"), "%q is the name of another template, on line %d; give each a name of its own", t.name, other.node.line)
	}
	for _, is := range []struct{ key, mine, others string }{{"netns", t.netns, other.netns}, {"device", t.device, other.device}} {
		if is.mine != "" && is.mine == is.others {
			p.at(t.node.get(is.key), "%q is the pattern of template %q, on line %d, too, which comes first, so that this one is never used; remove one", is.mine, other.name, other.node.line)
		}
	}
}

// mentions tells whether something in a section has a place for the tenant.
func mentions(n *node, place string) bool {
	if n == nil {
		return false
	}
	return strings.Contains(n.text, place) ||
		slices.ContainsFunc(n.fields, func(f *field) bool { return mentions(f.value, place) }) ||
		slices.ContainsFunc(n.items, func(item *node) bool { return mentions(item, place) })
}

// matches tells whether a namespace or a VRF device is one of the template's.
func (t *template) matches(s *Sight) bool {
	pattern := t.netns
	if s.Device {
		pattern = t.device
	}
	is, _ := path.Match(pattern, s.Name)
	return is && pattern != ""
}

// takenBy are the ids of which others have the route distinguisher, with the name of who does.
func (t *template) takenBy(others []holder) map[uint32]string {
	taken := make(map[uint32]string)
	n := t.node.get("rd")
	if n == nil || !strings.Contains(n.text, idPlace) {
		return taken
	}
	admin, number, _ := strings.Cut(n.text, ":")
	for _, h := range others {
		rd, err := rib.ParseRD(h.rd)
		if err != nil {
			continue
		}
		for _, spelled := range []string{rd.String(), rd.Dotted()} {
			itsAdmin, itsNumber, _ := strings.Cut(spelled, ":")
			for _, part := range [][2]string{{admin, itsAdmin}, {number, itsNumber}} {
				before, after, has := strings.Cut(part[0], idPlace)
				if !has || len(part[1]) < len(before)+len(after) || !strings.HasPrefix(part[1], before) || !strings.HasSuffix(part[1], after) {
					continue
				}
				id, err := strconv.ParseUint(part[1][len(before):len(part[1])-len(after)], 10, 32)
				if err != nil || id > math.MaxUint32 {
					continue
				}
				if same, err := rib.ParseRD(filled(n.text, uint32(id), h.name)); err == nil && same == rd {
					taken[uint32(id)] = h.name
				}
			}
		}
	}
	return taken
}

// filled is a value of a template for one tenant.
func filled(s string, id uint32, name string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	return strings.NewReplacer(idPlace, strconv.FormatUint(uint64(id), 10), namePlace, name).Replace(s)
}
