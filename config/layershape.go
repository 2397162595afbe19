package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// shape is how the section of a layer stands in a file.
type shape interface {
	// join returns what a tree says of a name as one section; nil: it says nothing.
	join(root *node, name string) *node
	// replace puts a section in the place of what a tree says of a name; nil: it says nothing
	// then.
	replace(root *node, name string, section *node)
	// add puts a section of which a tree says nothing among others.
	add(to *additions, name string, section *node)
	// field is the path in the section of a key of the file. policies is where those of a VRF
	// begin.
	field(key string, policies int) string
}

func shapeOf(key vrf.LayerKey) shape {
	if key.Neighbor {
		return neighborShape{}
	}
	return tenantShape{}
}

// tenantShape is a VRF: an item of [[vrfs]], one of [[netlink.vrfs]], and its own policies in one
// section.
type tenantShape struct{}

// tenantFields are the fields that are in [vrfs.config], and forkFields those beside it, which a
// file of gobgp-netlink has, and no layer.
var (
	tenantFields = []string{"rd", "both-rt-list", "import-rt-list", "export-rt-list", "id", "neighbor-list"}
	forkFields   = []string{"netlink-import", "netlink-export"}
)

func named(items []*node, name string, at ...string) *node {
	i := slices.IndexFunc(items, func(item *node) bool {
		for _, key := range at {
			item = item.get(key)
		}
		return item != nil && item.kind == kindText && item.text == name
	})
	if i < 0 {
		return nil
	}
	return items[i]
}

// isPolicyOf tells whether a policy is called after a VRF.
func isPolicyOf(policy *node, name string) bool {
	n := policy.get("name")
	return n != nil && strings.HasPrefix(n.text, name+"/")
}

func (tenantShape) join(root *node, name string) *node {
	tenant := named(listAt(root, "vrfs"), name, "config", "name")
	if tenant == nil && name != vrf.Default {
		return nil
	}
	to := &node{kind: kindSection, line: tenant.lineOf()}
	to.put("name", to.line, &node{kind: kindText, text: name, line: to.line})
	for _, key := range tenantFields {
		if v := tenant.get("config").get(key); v != nil {
			to.put(key, v.line, v)
		}
	}
	for _, key := range forkFields {
		if v := tenant.get(key); v != nil {
			to.put(key, v.line, v)
		}
	}
	if long := named(listAt(root, "netlink", "vrfs"), name, "name"); long != nil {
		for _, f := range long.fields {
			to.put(f.written, f.line, f.value) // name is there
		}
	} else {
		joinShort(to, root.get("netlink"), name)
	}
	var own []*node
	for _, item := range listAt(root, "netlink", "policies") {
		if isPolicyOf(item, name) {
			own = append(own, item)
		}
	}
	if len(own) > 0 {
		to.put("policies", own[0].line, &node{kind: kindList, line: own[0].line, items: own})
	}
	return to
}

// isShortOf tells whether a section of the short form is about a VRF.
func isShortOf(section *node, name string) bool {
	if !present(section) || section.get("rules") != nil || section.get("enabled") == nil {
		return false // what stands around the rules of gobgp-netlink is about no VRF
	}
	of := section.get("vrf")
	return of == nil && name == vrf.Default || of != nil && of.text == name
}

// joinShort takes over what the short form says of a VRF.
func joinShort(to, netlink *node, name string) {
	for _, direction := range []string{"import", "export"} {
		short := netlink.get(direction)
		if !isShortOf(short, name) {
			continue
		}
		section := &node{kind: kindSection, line: short.line}
		for _, f := range short.fields {
			if forkExportKeys[f.name] == nil && f.name != "vrf" {
				section.put(f.written, f.line, f.value)
			}
		}
		to.put(direction, short.line, section)
	}
}

func (tenantShape) replace(root *node, name string, section *node) {
	tenants := listAt(root, "vrfs")
	old := named(tenants, name, "config", "name")
	removed := func(items []*node, gone func(*node) bool) []*node {
		return slices.DeleteFunc(slices.Clone(items), gone)
	}
	long := removed(listAt(root, "netlink", "vrfs"), func(item *node) bool {
		return item.get("name") != nil && item.get("name").text == name
	})
	policies := removed(listAt(root, "netlink", "policies"), func(item *node) bool { return isPolicyOf(item, name) })
	for _, direction := range []string{"import", "export"} {
		if netlink := root.get("netlink"); isShortOf(netlink.get(direction), name) {
			netlink.set(direction, nil, 0)
		}
	}
	if section != nil {
		tenants, long = placeTenant(tenants, long, old, name, section)
		if own := section.get("policies"); own != nil {
			policies = append(policies, listAt(section, "policies")...)
		}
	} else if old != nil {
		tenants = removed(tenants, func(item *node) bool { return item == old })
	}
	setList(root, tenants, "vrfs")
	setList(root, long, "netlink", "vrfs")
	setList(root, policies, "netlink", "policies")
}

func (tenantShape) add(to *additions, name string, section *node) {
	to.tenants, to.long = placeTenant(to.tenants, to.long, nil, name, section)
	to.policies = append(to.policies, listAt(section, "policies")...)
}

// placeTenant puts a VRF's section into the lists that it is in.
func placeTenant(tenants, long []*node, old *node, name string, section *node) (_, _ []*node) {
	config := &node{kind: kindSection, line: section.line}
	config.put("name", section.line, cmpNode(section.get("name"), &node{kind: kindText, text: name, line: section.line}))
	item, forwarded := &node{kind: kindSection, line: section.line}, &node{kind: kindSection, line: section.line}
	forwarded.put("name", section.line, &node{kind: kindText, text: name, line: section.line})
	for _, f := range section.fields {
		switch {
		case f.name == "name" || f.name == "policies":
		case slices.Contains(tenantFields, f.name):
			config.put(f.written, f.line, f.value)
		case slices.Contains(forkFields, f.name):
			item.put(f.written, f.line, f.value)
		default:
			forwarded.put(f.written, f.line, f.value)
		}
	}
	if name != vrf.Default || len(config.fields) > 1 {
		if old != nil {
			tenants = slices.DeleteFunc(slices.Clone(tenants), func(item *node) bool { return item == old })
		}
		item.put("config", section.line, config)
		tenants = append(tenants, item)
	}
	if len(forwarded.fields) > 1 || name == vrf.Default {
		long = append(long, forwarded)
	}
	return tenants, long
}

var (
	inTenant   = regexp.MustCompile(`^(?:vrfs\[\d+\](?:\.config)?|netlink\.vrfs\[\d+\])\.?`)
	inPolicies = regexp.MustCompile(`^netlink\.policies\[(\d+)\]`)
)

func (tenantShape) field(key string, policies int) string {
	if m := inPolicies.FindStringSubmatch(key); m != nil {
		n, _ := strconv.Atoi(m[1])
		return snake(fmt.Sprintf("policies[%d]%s", n-policies, key[len(m[0]):]))
	}
	return snake(inTenant.ReplaceAllString(key, ""))
}

// neighborShape is an item of [[neighbors]]: the keys that most have under names of their own, and
// all others, by section, under more.
type neighborShape struct{}

// neighborFields say where in the item of a neighbour each field is.
var neighborFields = []struct{ field, section, key string }{
	{"address", "config", "neighbor-address"},
	{"vrf", "config", "vrf"},
	{"netns", "config", "netns"},
	{"peer-as", "config", "peer-as"},
	{"local-as", "config", "local-as"},
	{"password", "config", "auth-password"},
	{"description", "config", "description"},
	{"peer-group", "config", "peer-group"},
	{"local-address", "transport.config", "local-address"},
	{"passive", "transport.config", "passive-mode"},
	{"import-policy-list", "apply-policy.config", "import-policy-list"},
	{"export-policy-list", "apply-policy.config", "export-policy-list"},
}

// plainAddress is an address in its one spelling.
func plainAddress(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return s
}

func sameAddress(a, b string) bool { return plainAddress(a) == plainAddress(b) }

// find returns the neighbour of a key.
func (neighborShape) find(root *node, name string) *node {
	address, netns := vrf.LayerKey{Neighbor: true, Name: name}.Address()
	for _, item := range listAt(root, "neighbors") {
		config := item.get("config")
		in := ""
		if n := config.get("netns"); n != nil {
			in = n.text
		}
		if n := config.get("neighbor-address"); n != nil && sameAddress(n.text, address) && in == netns {
			return item
		}
	}
	return nil
}

func (s neighborShape) join(root *node, name string) *node {
	item := s.find(root, name)
	if item == nil {
		return nil
	}
	rest := item.copied()
	to := &node{kind: kindSection, line: item.line}
	for _, f := range neighborFields {
		if v := rest.at(f.section + "." + f.key); v != nil {
			to.put(f.field, v.line, v)
			rest.setAt(f.section+"."+f.key, nil, 0)
		}
	}
	rest.prune()
	if len(rest.fields) > 0 {
		to.put("more", rest.line, rest)
	}
	return to
}

func (s neighborShape) replace(root *node, name string, section *node) {
	items := listAt(root, "neighbors")
	old := s.find(root, name)
	items = slices.DeleteFunc(slices.Clone(items), func(item *node) bool { return item == old })
	if section != nil {
		items = append(items, s.item(section))
	}
	setList(root, items, "neighbors")
}

func (s neighborShape) add(to *additions, _ string, section *node) {
	to.neighbors = append(to.neighbors, s.item(section))
}

// item is a section as an item of [[neighbors]].
func (neighborShape) item(section *node) *node {
	item := &node{kind: kindSection, line: section.line}
	if more := section.get("more"); present(more) {
		item = more.copied()
	}
	for _, f := range neighborFields {
		if v := section.get(f.field); v != nil {
			item.setAt(f.section+"."+f.key, v, v.line)
		}
	}
	for _, f := range section.fields { // the schema says that it is none
		if f.name != "more" && !slices.ContainsFunc(neighborFields, func(of struct{ field, section, key string }) bool { return of.field == f.name }) {
			item.set(f.written, f.value, f.line)
		}
	}
	return item
}

var inNeighbor = regexp.MustCompile(`^neighbors\[\d+\]\.?`)

func (neighborShape) field(key string, _ int) string {
	key = inNeighbor.ReplaceAllString(key, "")
	for _, f := range neighborFields {
		if canonical(key) == f.section+"."+f.key {
			return snake(f.field)
		}
	}
	if key == "" {
		return ""
	}
	return "more." + key
}
