package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deep a file may nest: GoBGP's deepest key is at 9.
const maxDepth = 64

// maxCopied bounds the nodes that the aliases of a small YAML file can make.
const maxCopied = 500_000

type kind uint8

const (
	kindSection kind = iota + 1
	kindList
	kindText
	kindWhole // a whole number; text is decimal
	kindFloat
	kindBool
	kindNull
	kindBad // something was wrong with it, and has been said
)

// node is one value of a file with its position: the form that TOML, YAML and JSON have
// in common. Everything after the three readers sees only nodes.
type node struct {
	kind   kind
	line   int    // of its key; of itself in a list
	path   string // of its key as the file spells it: netlink.vrfs[0].table
	text   string // of a scalar
	fields []*field
	byName map[string]*field // nil: there are few, and they are gone through
	items  []*node

	form tomlForm // how a TOML file made this section

	// templated: it is a copy of a template's, whose line and path it keeps.
	templated bool
}

// field is one key of a section.
type field struct {
	name    string // lower case, kebab-case
	written string
	line    int
	value   *node
}

// canonical gives a key one spelling. GoBGP reads its file with viper, for which
// upper and lower case are the same.
func canonical(key string) string {
	return strings.ToLower(strings.ReplaceAll(key, "_", "-"))
}

func snake(name string) string { return strings.ReplaceAll(name, "-", "_") }

// get returns the value of a key, or nil. A nil section has none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	if f := n.field(name); f != nil {
		return f.value
	}
	return nil
}

// fewFields is how many keys of a section are gone through without an index: nearly all have less, and
// thousands of tenants have some sections each.
const fewFields = 12

// field returns a key of a section, or nil.
func (n *node) field(name string) *field {
	if n.byName != nil {
		return n.byName[name]
	}
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (n *node) isBad() bool { return n != nil && n.kind == kindBad }

// index indexes the keys of a section where they are many.
func (n *node) index() {
	if len(n.fields) <= fewFields {
		return
	}
	n.byName = make(map[string]*field, len(n.fields))
	for _, f := range n.fields {
		n.byName[f.name] = f
	}
}

// put adds a key to a section. Where it is there already, the earlier one is returned
// and nothing changes.
func (n *node) put(written string, line int, value *node) (taken *field) {
	name := canonical(written)
	if old := n.field(name); old != nil {
		return old
	}
	f := &field{name, written, line, value}
	n.fields = append(n.fields, f)
	if n.byName != nil {
		n.byName[name] = f
	} else {
		n.index()
	}
	return nil
}

// repeated says that a key was there already.
func (p *problems) repeated(path, written string, line int, first *field) {
	if written == first.written {
		p.add(line, join(path, written), "is given twice, first on line %d; remove one", first.line)
		return
	}
	p.add(line, join(path, written), "is the same key as %s on line %d; remove one", first.written, first.line)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// label tells every node its path.
func (n *node) label(path string) {
	if !n.templated {
		n.path = path
	}
	for _, f := range n.fields {
		f.value.label(join(path, f.written))
	}
	for i, item := range n.items {
		item.label(path + "[" + strconv.Itoa(i) + "]")
	}
}

// find returns what a canonical path leads to: neighbors[1].config.peer-as; nil: nothing.
func (n *node) find(path string) *node {
	for part := range strings.SplitSeq(path, ".") {
		name, indices, _ := strings.Cut(part, "[")
		if n = n.get(name); n == nil || indices == "" {
			continue
		}
		for at := range strings.SplitSeq(indices, "[") {
			i, err := strconv.Atoi(strings.TrimSuffix(at, "]"))
			if n == nil || err != nil || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
		}
	}
	return n
}

// plain returns n as encoding/json writes it, with kebab-case keys and without
// what was wrong.
func (n *node) plain() any {
	switch n.kind {
	case kindSection:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			if f.value.kind != kindBad {
				m[f.name] = f.value.plain()
			}
		}
		return m
	case kindList:
		list := make([]any, 0, len(n.items))
		for _, item := range n.items {
			if item.kind != kindBad {
				list = append(list, item.plain())
			}
		}
		return list
	case kindWhole, kindFloat:
		return json.Number(n.text)
	case kindBool:
		return n.text == "true"
	case kindText:
		return n.text
	}
	return nil
}

// lineCounter tells the line of an offset in data. It goes on from the last one
// asked for, because a file is read in its order.
type lineCounter struct {
	data   []byte
	offset int
	lines  int // before offset
}

func (c *lineCounter) at(offset int) int {
	if offset < c.offset {
		c.lines -= bytes.Count(c.data[offset:c.offset], []byte("\n"))
	} else {
		c.lines += bytes.Count(c.data[c.offset:offset], []byte("\n"))
	}
	c.offset = offset
	return 1 + c.lines
}

// show renders a value for a message.
func (n *node) show() string {
	switch n.kind {
	case kindSection:
		return "a section"
	case kindList:
		return "a list"
	case kindNull:
		return "nothing"
	case kindText:
		const most = 80
		if len(n.text) > most {
			return fmt.Sprintf("%q…", n.text[:most])
		}
		return strconv.Quote(n.text)
	}
	return n.text
}

// cmpNode is the first that is there.
func cmpNode(a, b *node) *node {
	if a != nil {
		return a
	}
	return b
}

// peerGroups are the sections of [[peer-groups]] by name.
func peerGroups(root *node) map[string]*node {
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	return groups
}

func (n *node) lineOf() int {
	if n == nil {
		return 0
	}
	return n.line
}

func present(n *node) bool { return n != nil && n.kind == kindSection }

// sections returns the well-formed items of a list of sections.
func sections(n *node) []*node {
	if n == nil || n.kind != kindList {
		return nil
	}
	var list []*node
	for _, item := range n.items {
		if present(item) {
			list = append(list, item)
		}
	}
	return list
}
