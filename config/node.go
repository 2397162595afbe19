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
	byName map[string]*field
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
	if n == nil || n.byName[name] == nil {
		return nil
	}
	return n.byName[name].value
}

func (n *node) isBad() bool { return n != nil && n.kind == kindBad }

// put adds a key to a section. Where it is there already, the earlier one is returned
// and nothing changes.
func (n *node) put(written string, line int, value *node) (taken *field) {
	name := canonical(written)
	if old := n.byName[name]; old != nil {
		return old
	}
	if n.byName == nil {
		n.byName = make(map[string]*field)
	}
	f := &field{name, written, line, value}
	n.fields = append(n.fields, f)
	n.byName[name] = f
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

// label tells every node its path, and index where its canonical path leads.
func (n *node) label(path, name string, index map[string]*node) {
	if !n.templated {
		n.path = path
	}
	index[name] = n
	for _, f := range n.fields {
		f.value.label(join(path, f.written), join(name, f.name), index)
	}
	for i, item := range n.items {
		at := "[" + strconv.Itoa(i) + "]"
		item.label(path+at, name+at, index)
	}
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
