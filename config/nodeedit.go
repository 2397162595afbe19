package config

import (
	"slices"
	"strconv"
	"strings"
)

func (n *node) setLine(line int) {
	n.line = line
	for _, f := range n.fields {
		f.line = line
		f.value.setLine(line)
	}
	for _, item := range n.items {
		item.setLine(line)
	}
}

// at returns what a path of keys leads to; nil: nothing.
func (n *node) at(path string) *node {
	for _, key := range strings.Split(path, ".") {
		if n = n.get(canonical(key)); n == nil {
			return nil
		}
	}
	return n
}

// setAt puts a value where a path of keys leads to, in sections that are made on the way; nil
// removes what is there.
func (n *node) setAt(path string, value *node, line int) {
	key, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		n.set(key, value, line)
		return
	}
	below := n.get(canonical(key))
	if !present(below) {
		if value == nil {
			return
		}
		below = &node{kind: kindSection, line: line}
		n.set(key, below, line)
	}
	below.setAt(rest, value, line)
}

// set puts a value in the place of what a key has; nil removes it.
func (n *node) set(key string, value *node, line int) {
	name := canonical(key)
	old := n.field(name)
	switch {
	case value == nil && old != nil:
		delete(n.byName, name)
		for i, f := range n.fields {
			if f == old {
				n.fields = append(n.fields[:i:i], n.fields[i+1:]...)
				break
			}
		}
	case value == nil:
	case old != nil:
		old.value, old.line = value, line
	default:
		n.put(key, line, value)
	}
}

// putThere adds a value, if it is there, to a section that has none of that key.
func (n *node) putThere(key string, value *node) {
	if value != nil {
		n.put(key, value.line, value)
	}
}

// copied is a section of its own with the same values.
func (n *node) copied() *node {
	c := &node{kind: n.kind, line: n.line, path: n.path, text: n.text, form: n.form, items: n.items, templated: n.templated}
	for _, f := range n.fields {
		value := f.value
		if present(value) {
			value = value.copied()
		}
		c.put(f.written, f.line, value)
	}
	return c
}

// copiedTo is a copy of all of a tree without paths, with another line.
func (n *node) copiedTo(line int) *node {
	c := &node{kind: n.kind, line: line, text: n.text, form: n.form}
	if len(n.fields) > 0 {
		c.fields = make([]*field, len(n.fields))
		fields := make([]field, len(n.fields))
		for i, f := range n.fields {
			fields[i] = field{f.name, f.written, line, f.value.copiedTo(line)}
			c.fields[i] = &fields[i]
		}
		c.index()
	}
	if len(n.items) > 0 {
		c.items = make([]*node, len(n.items))
		for i, item := range n.items {
			c.items[i] = item.copiedTo(line)
		}
	}
	return c
}

// prune removes sections in which nothing is left.
func (n *node) prune() {
	for _, f := range slices.Clone(n.fields) {
		if present(f.value) {
			f.value.prune()
			if len(f.value.fields) == 0 {
				n.set(f.written, nil, 0)
			}
		}
	}
}

// snaked is a section as encoding/json writes it, with keys in snake_case; nil: there is none.
func (n *node) snaked() map[string]any {
	if n == nil {
		return nil
	}
	m, _ := snakedValue(n.plain()).(map[string]any)
	return m
}

func snakedValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[snake(key)] = snakedValue(value)
		}
		return m
	case []any:
		for i := range v {
			v[i] = snakedValue(v[i])
		}
	}
	return v
}

// adopt makes sections that stand around what came of a template the template's too.
func (n *node) adopt(path string) {
	if n.templated {
		return
	}
	n.path, n.templated = path, true
	for _, f := range n.fields {
		f.value.adopt(path)
	}
	for _, item := range n.items {
		item.adopt(path)
	}
}

// valueNode is a value as a node; nil: there is none.
func valueNode(value any) *node {
	switch v := value.(type) {
	case bool:
		return &node{kind: kindBool, text: strconv.FormatBool(v)}
	case uint64:
		return &node{kind: kindWhole, text: strconv.FormatUint(v, 10)}
	case string:
		return &node{kind: kindText, text: v}
	case []string:
		if len(v) == 0 {
			return nil
		}
		n := &node{kind: kindList}
		for _, s := range v {
			n.items = append(n.items, valueNode(s))
		}
		return n
	case []uint64:
		if len(v) == 0 {
			return nil
		}
		n := &node{kind: kindList}
		for _, u := range v {
			n.items = append(n.items, valueNode(u))
		}
		return n
	}
	return nil
}

// drop takes a key out of a section.
func (n *node) drop(key string) {
	n.fields = slices.DeleteFunc(n.fields, func(f *field) bool { return f.name == key })
	delete(n.byName, key)
}
