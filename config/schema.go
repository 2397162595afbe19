package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// schema says which keys a section has: a map[string]any for a section, a []any
// of one of them for a list of sections, nil for a value.
type schema = map[string]any

// walker holds a file's tree against the schema. It reports faults, and marks their nodes
// bad, so that no later reader reports them again.
type walker struct {
	*problems
	bgp, netlink schema
}

func (w walker) file(root *node) {
	w.section(root, w.whole(), "")
}

// whole is the schema of the file.
func (w walker) whole() schema {
	all := schema{"netlink": w.netlink}
	maps.Copy(all, w.bgp)
	return all
}

// section checks the keys of n; where is its place in the schema, for a person.
func (w walker) section(n *node, known schema, where string) {
	for _, f := range n.fields {
		sub, ok := known[f.name]
		if !ok {
			w.unknown(f, known, where)
			f.value.kind = kindBad
			continue
		}
		w.value(f.value, sub, join(where, f.name))
	}
}

func (w walker) value(n *node, sub any, where string) {
	switch sub := sub.(type) {
	case schema:
		w.asSection(n, sub, where)
	case []any:
		item, _ := sub[0].(schema)
		w.asList(n, item, where)
	default:
		w.asValue(n)
	}
}

func (w walker) asSection(n *node, known schema, where string) {
	switch n.kind {
	case kindNull: // YAML: a section whose keys are all commented out
		n.kind = kindSection
	case kindSection:
		w.section(n, known, where)
	case kindBad:
	case kindList:
		w.bad(n, "is a list; write one section: there is only one %s", where)
	default:
		w.bad(n, "is %s; write a section with keys of its own", n.show())
	}
}

func (w walker) asList(n *node, known schema, where string) {
	switch n.kind {
	case kindNull:
		n.kind = kindList
	case kindSection:
		// gobgpd takes one section for a list of one.
		item := *n
		*n = node{kind: kindList, line: n.line, path: n.path, items: []*node{&item}}
		w.section(&item, known, where)
	case kindList:
		for _, item := range n.items {
			w.asSection(item, known, where)
		}
	case kindBad:
	default:
		w.bad(n, "is %s; write a list of sections", n.show())
	}
}

func (w walker) asValue(n *node) {
	switch n.kind {
	case kindNull:
		w.bad(n, "has no value; write one, or remove the key")
	case kindSection:
		w.bad(n, "is a section; write a value")
	case kindList:
		for _, item := range n.items {
			w.asValue(item)
		}
	}
}

func (w walker) bad(n *node, format string, args ...any) {
	w.at(n, format, args...)
	n.kind = kindBad
}

// unknown reports a key that its section does not have, with the key that may have been
// meant: one that is a letter away, this very key in another section, or the nearest.
func (w walker) unknown(f *field, known schema, where string) {
	others, spell := w.bgp, func(s string) string { return s }
	if where == "" {
		others = w.whole()
	} else if where == "netlink" || strings.HasPrefix(where, "netlink.") {
		others, spell = schema{"netlink": w.netlink}, snake
	}
	if len(f.name) > 64 { // no key of ours is near
		w.at(f.value, "unknown key; known here: %s", spell(names(known)))
		return
	}
	near, distance := nearest(f.name, slices.Sorted(maps.Keys(known)))
	if distance > 1 && !strings.HasPrefix(near, f.name) { // prefix, for prefixes, is a key elsewhere
		if own := ownWord(f.name, known, where); own != "" {
			w.at(f.value, "unknown key; did you mean %s?", spell(own))
			return
		}
		if home := w.elsewhere(f.name, others, where); home != "" {
			w.at(f.value, "unknown key here; it belongs in %s", spell(home))
			return
		}
	}
	if near != "" && distance <= max(2, len(f.name)/3) {
		w.at(f.value, "unknown key; did you mean %s?", spell(near))
		return
	}
	w.at(f.value, "unknown key; known here: %s", spell(names(known)))
}

// ownWord returns the one key of a section that has all words of a wrong one, or of
// which that one has all words, or that the section is called after where it ends as
// that one does: as-path-set, of match-as-path-set, for community-set. It goes
// before what other sections have, because what is alike in all of them is what gets
// mixed up.
func ownWord(key string, known schema, where string) string {
	section := "-" + where[strings.LastIndexByte(where, '.')+1:]
	words := strings.Split(key, "-")
	var own []string
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if strings.HasSuffix(section, "-"+name) && strings.HasSuffix(name, "-"+words[len(words)-1]) {
			return name
		}
		its := strings.Split(name, "-")
		if within(words, its) || len(its) > 1 && within(its, words) {
			own = append(own, name)
		}
	}
	if len(own) != 1 {
		return ""
	}
	return own[0]
}

// within tells whether all words are among those of another list, in their order.
func within(words, others []string) bool {
	for _, w := range words {
		i := slices.Index(others, w)
		if i < 0 {
			return false
		}
		others = others[i+1:]
	}
	return true
}

func names(known schema) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// elsewhere returns the section that has the key, where that says something:
// the nearest in the tree of those that have it, "" where there are many.
func (w walker) elsewhere(key string, in schema, where string) string {
	const many = 4
	var homes []string
	var search func(s schema, at string)
	search = func(s schema, at string) {
		if _, ok := s[key]; ok && at != where {
			homes = append(homes, "["+at+"]")
		}
		for _, name := range slices.Sorted(maps.Keys(s)) {
			if name == "rules" || strings.HasPrefix(name, "netlink-") {
				continue // gobgp-netlink's: taken, and not recommended
			}
			switch sub := s[name].(type) {
			case schema:
				search(sub, join(at, name))
			case []any:
				item, _ := sub[0].(schema)
				search(item, join(at, name))
			}
		}
	}
	search(in, "")
	if len(homes) == 0 || len(homes) > many {
		return ""
	}
	here := strings.Split(where, ".")
	shared := func(home string) int {
		n := 0
		for _, part := range strings.Split(strings.Trim(home, "[]"), ".") {
			if slices.Contains(here, part) {
				n++
			}
		}
		return n
	}
	best := slices.MaxFunc(homes, func(a, b string) int { return shared(a) - shared(b) })
	if best == "[]" {
		return "the top level of the file"
	}
	return best
}

// nearest returns the candidate with the smallest edit distance to s, the first of equals; "" of
// none. The first letter is seldom wrong, so that one which begins as s does may be one slip
// farther away than another: table, for tabel, and not label.
func nearest(s string, candidates []string) (string, int) {
	best, distance := "", len(s)+1
	begins := func(c string) bool { return s != "" && strings.HasPrefix(c, s[:1]) }
	for _, c := range candidates {
		d, least := vrf.Slips(s, c), distance
		switch {
		case begins(c) && !begins(best):
			least += 2
		case begins(best) && !begins(c):
			least--
		}
		if d < least {
			best, distance = c, d
		}
	}
	return best, distance
}
