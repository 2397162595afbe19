package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// sectionWriter takes a tree apart into sections, in an order in which they are a TOML file.
type sectionWriter struct {
	origins map[*node]vrf.Origin // of nodes that are not the file's
	users   *users
	out     []vrf.ConfigSection
}

// spot is where a section is: in a file, in the schema, and for a person.
type spot struct {
	header string // a.b
	name   string // a[x].b
	ours   bool   // in [netlink], where keys are in snake_case
	about  about
}

func (w *sectionWriter) file(root *node) {
	for _, f := range root.fields {
		at := spot{header: spelling(f.name, f.name == "netlink"), ours: f.name == "netlink"}
		at.name = at.header
		w.field(at, f, at.about)
	}
}

// spelling is how a key is written: in [netlink] in snake_case.
func spelling(name string, ours bool) string {
	if ours {
		return snake(name)
	}
	return name
}

// field writes one section, or each of a list.
func (w *sectionWriter) field(at spot, f *field, inherited about) {
	if f.value.kind != kindList {
		at.about = inherited.or(w.users.of(at.header, f.value))
		w.section(at, f.value, false)
		return
	}
	for i, item := range f.value.items {
		one := at
		one.name = fmt.Sprintf("%s[%s]", at.name, identity(item, i))
		one.about = inherited.or(w.users.of(at.header, item))
		w.section(one, item, true)
	}
}

// section writes a section's own keys, and then those below it.
func (w *sectionWriter) section(at spot, n *node, item bool) {
	out := vrf.ConfigSection{Header: "[" + at.header + "]", Name: at.name, VRF: at.about.vrf, UsedBy: at.about.users}
	out.Shared = slices.Contains(shared, at.header)
	if item {
		out.Header = "[" + out.Header + "]"
	}
	for _, f := range n.fields {
		if !isSectional(f.value) {
			out.Values = append(out.Values, w.value(at, f))
		}
	}
	if item || len(out.Values) > 0 {
		w.out = append(w.out, out)
	}
	for _, f := range n.fields {
		if !isSectional(f.value) {
			continue
		}
		below, key := at, spelling(f.name, at.ours)
		below.header, below.name = join(at.header, key), join(at.name, key)
		w.field(below, f, at.about)
	}
}

// isSectional tells whether a value is a section, or a list of some.
func isSectional(n *node) bool {
	return n.kind == kindSection || n.kind == kindList && len(n.items) > 0 && n.items[0].kind == kindSection
}

func (w *sectionWriter) value(at spot, f *field) vrf.ConfigValue {
	key := spelling(f.name, at.ours)
	if isOurTerm(f.name) {
		key = snake(f.name)
	}
	v := vrf.ConfigValue{Key: key, Line: f.line, Origin: vrf.FromFile}
	switch origin, is := w.origins[f.value]; {
	case is:
		v.Origin, v.Line = origin, 0
	case f.line < 0:
		v.Origin, v.Line = vrf.FromAPI, 0
	case f.value.templated:
		v.Origin = vrf.FromTemplate
	}
	if v.Secret = f.name == "auth-password"; !v.Secret {
		v.Value = tomlValue(f.value)
	}
	return v
}

// isOurTerm tells whether a key of a neighbour is ours, which are written in snake_case.
func isOurTerm(name string) bool { return termKeys[name] != nil }

// identity is what tells a section of a list from the others: its name, or else its number.
func identity(item *node, i int) string {
	for _, of := range []*node{item, item.get("config")} {
		for _, key := range []string{"name", "neighbor-address", "neighbor-interface", "peer-group-name", "prefix", "afi-safi-name", "from", "address", "vrf"} {
			if n := of.get(key); n != nil && n.kind == kindText && n.text != "" {
				if netns := of.get("netns"); netns != nil && strings.HasPrefix(key, "neighbor-") {
					return n.text + "@" + netns.text
				}
				return n.text
			}
		}
		if !present(of) {
			continue
		}
		for _, f := range of.fields {
			if strings.HasSuffix(f.name, "-set-name") && f.value.kind == kindText {
				return f.value.text
			}
		}
	}
	return fmt.Sprint(i + 1)
}

// tomlValue writes a value that is no section.
func tomlValue(n *node) string {
	switch n.kind {
	case kindText:
		return tomlText(n.text)
	case kindList:
		parts := make([]string, len(n.items))
		for i, item := range n.items {
			parts[i] = tomlValue(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindFloat:
		if !strings.ContainsAny(n.text, ".e") {
			return n.text + ".0" // or it would be a whole number
		}
	}
	return n.text
}

// tomlText is a basic string of TOML, which are those of JSON but for DEL.
func tomlText(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a Builder takes everything
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// shared are the sections of which the own keys hold for every VRF.
var shared = []string{"global.config", "netlink", "netlink.export"}

// about is the VRF that a section is about, and those that go by it.
type about struct {
	vrf   string
	users []string
}

// or is what a section is about of which the section around it says a.
func (a about) or(own about) about {
	if a.vrf != "" || len(a.users) > 0 {
		return a
	}
	return own
}

// users know which VRFs go by a section.
type users struct {
	groups   map[string][]string // of peer groups, by name
	policies map[string][]string // of [[netlink.policies]], and of GoBGP's
	tenants  map[string][]string // who names a VRF: itself, and who leaks from it
	carried  []string            // the VRFs that go over the core
	judged   []string            // the VRFs that have a neighbour with policies of its own
	known    []string            // the VRFs of [[vrfs]]
}

func newUsers(root *node, specs []vrf.Spec) *users {
	u := &users{groups: make(map[string][]string), policies: make(map[string][]string), tenants: make(map[string][]string)}
	for i := range specs {
		s := &specs[i]
		for name := range vrf.PolicyUses([]vrf.Spec{*s}) {
			add(u.policies, name, s.Of())
		}
		for _, l := range s.Leaks {
			add(u.tenants, l.From, s.Of())
		}
		if s.Carriage.Kind != 0 {
			u.carried = append(u.carried, s.Of())
		}
	}
	for _, item := range sections(root.get("netlink").get("vrfs")) {
		if send, name := item.get("bgp").get("send"), item.get("name"); send != nil && name != nil {
			add(u.policies, send.text, name.text)
		}
	}
	for _, item := range sections(root.get("vrfs")) {
		if name := item.get("config").get("name"); name != nil {
			u.known = append(u.known, name.text)
		}
	}
	u.neighbors(root)
	return u
}

// neighbors notes which VRFs go by peer groups and policies because of their neighbours.
func (u *users) neighbors(root *node) {
	groups := peerGroups(root)
	for _, item := range sections(root.get("neighbors")) {
		n := grouped{own: item}
		if g := item.get("config").get("peer-group"); g != nil {
			n.group = groups[g.text]
		}
		of := vrf.Default
		if in := n.config("vrf"); in != nil {
			of = in.text
		}
		if g := item.get("config").get("peer-group"); g != nil {
			add(u.groups, g.text, of)
		}
		for _, policies := range []*node{item, n.group} {
			for _, list := range []string{"import-policy-list", "export-policy-list"} {
				named := policies.get("apply-policy").get("config").get(list)
				if named == nil {
					continue
				}
				if !slices.Contains(u.judged, of) {
					u.judged = append(u.judged, of)
				}
				for _, n := range named.items {
					add(u.policies, n.text, of)
				}
			}
		}
	}
}

func add(m map[string][]string, key, name string) {
	if !slices.Contains(m[key], name) {
		m[key] = append(m[key], name)
	}
}

// of says whom a section is about.
func (u *users) of(header string, n *node) about {
	text := func(of *node, key string) string {
		if v := of.get(key); v != nil {
			return v.text
		}
		return ""
	}
	switch header {
	case "vrfs":
		name := text(n.get("config"), "name")
		return about{name, u.tenants[name]}
	case "netlink.vrfs":
		return about{vrf: text(n, "name")}
	case "netlink.export.rules":
		if name := text(n, "vrf"); slices.Contains(u.known, name) {
			return about{vrf: name}
		}
		return about{vrf: vrf.Default}
	case "neighbors":
		if name := text(n.get("config"), "vrf"); name != "" {
			return about{vrf: name}
		}
		return about{vrf: vrf.Default}
	case "peer-groups":
		return about{users: u.groups[text(n.get("config"), "peer-group-name")]}
	case "dynamic-neighbors":
		return about{users: u.groups[text(n.get("config"), "peer-group")]}
	case "netlink.policies":
		return about{users: u.policies[text(n, "name")]}
	case "policy-definitions":
		return about{users: u.policies[text(n, "name")]}
	case "defined-sets":
		return about{users: u.judged}
	case "netlink.core", "netlink.vxlan", "netlink.mpls", "netlink.srv6":
		return about{users: u.carried}
	}
	return about{}
}
