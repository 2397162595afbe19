package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// A node of a layer has a negative line, which says which layer it is of.

// laid are the layers over one tree.
type laid struct {
	keys     []vrf.LayerKey
	policies []int // where those of a VRF begin in [[netlink.policies]]
}

// lay lays layers over a file's tree, and returns those of which the tree had something. What is
// wrong with them is reported as of the layer.
//
// There may be thousands of layers, most of which are about what the file does not have: these
// are added at the end, all at once.
func lay(p *problems, root *node, layers *Layers) map[vrf.LayerKey]bool {
	l := &laid{keys: layers.Keys()}
	p.whose = l.named
	known, over := namesIn(root), make(map[vrf.LayerKey]bool)
	var fresh additions
	for i, key := range l.keys {
		if i%layersAtOnce == layersAtOnce-1 {
			breathe()
		}
		layer, _ := layers.Get(key)
		shape := shapeOf(key)
		var below *node
		if known[key] {
			below = shape.join(root, key.Name)
		}
		over[key] = below != nil
		section := readLayer(p, layer, -(i + 1))
		if section == nil {
			continue
		}
		now := section
		if len(layer.Fields) > 0 {
			if now = below; now == nil {
				continue // what it is laid over is not there now; it waits until that is back
			}
			for _, path := range layer.Fields {
				now.setAt(path, section.at(path), -(i + 1))
			}
		}
		if known[key] {
			shape.replace(root, key.Name, now)
		} else {
			shape.add(&fresh, key.Name, now)
		}
	}
	fresh.appendTo(root)
	l.findPolicies(root)
	return over
}

// layersAtOnce is how many layers are laid before others may have the processor.
const layersAtOnce = 256

// namesIn are the keys of which a tree says something.
func namesIn(root *node) map[vrf.LayerKey]bool {
	known := make(map[vrf.LayerKey]bool)
	note := func(n *node) {
		if n != nil {
			known[vrf.LayerKey{Name: n.text}] = true
		}
	}
	for _, item := range listAt(root, "vrfs") {
		note(item.get("config").get("name"))
	}
	netlink := root.get("netlink")
	for _, item := range listAt(root, "netlink", "vrfs") {
		note(item.get("name"))
	}
	for _, direction := range []string{"import", "export"} {
		note(netlink.get(direction).get("vrf"))
	}
	known[vrf.LayerKey{Name: vrf.Default}] = true // which may be said by leaving it out
	for _, item := range listAt(root, "netlink", "policies") {
		if n := item.get("name"); n != nil {
			of, _, _ := strings.Cut(n.text, "/")
			known[vrf.LayerKey{Name: of}] = true
		}
	}
	for _, item := range listAt(root, "neighbors") {
		config := item.get("config")
		netns := ""
		if n := config.get("netns"); n != nil {
			netns = n.text
		}
		if n := config.get("neighbor-address"); n != nil {
			known[vrf.NeighborKey(plainAddress(n.text), netns)] = true
		}
	}
	return known
}

// additions are sections of what a file does not have.
type additions struct{ tenants, long, policies, neighbors []*node }

func (a *additions) appendTo(root *node) {
	for _, list := range []struct {
		items []*node
		path  []string
	}{{a.tenants, []string{"vrfs"}}, {a.long, []string{"netlink", "vrfs"}}, {a.policies, []string{"netlink", "policies"}}, {a.neighbors, []string{"neighbors"}}} {
		if len(list.items) > 0 {
			setList(root, append(slices.Clone(listAt(root, list.path...)), list.items...), list.path...)
		}
	}
}

// findPolicies notes where the policies of each layer begin in the list of all.
func (l *laid) findPolicies(root *node) {
	l.policies = make([]int, len(l.keys))
	seen := -1
	for j, item := range listAt(root, "netlink", "policies") {
		if i := l.ofLayer(item.line); i >= 0 && i != seen {
			l.policies[i], seen = j, i
		}
	}
}

// read returns the layer with its section read.
func (l Layer) read() Layer {
	if p := new(problems); l.tree == nil {
		if l.tree = readJSON(p, l.Section); len(p.list) > 0 {
			l.tree = nil
		}
	}
	return l
}

// readLayer reads the section of a layer; nil: it is none, and said so.
func readLayer(p *problems, layer Layer, line int) *node {
	if layer.tree != nil {
		return layer.tree.copiedTo(line)
	}
	q := &problems{file: p.file}
	n := readJSON(q, layer.Section)
	for _, e := range q.list {
		p.add(line, "", "%s", e.Message)
	}
	if n != nil {
		n.setLine(line)
	}
	return n
}

// listAt returns the sections of a list.
func listAt(root *node, path ...string) []*node {
	for _, key := range path {
		root = root.get(key)
	}
	if present(root) { // one section stands for a list of one
		return []*node{root}
	}
	return sections(root)
}

// setList puts other sections into a list.
func setList(root *node, items []*node, path ...string) {
	for _, key := range path[:len(path)-1] {
		below := root.get(key)
		if !present(below) {
			if below != nil && below.kind != kindNull {
				return // it is something else, and the schema says so
			}
			below = &node{kind: kindSection}
			root.set(key, below, 0)
		}
		root = below
	}
	last := path[len(path)-1]
	if len(items) == 0 {
		root.set(last, nil, 0)
		return
	}
	list := &node{kind: kindList, items: items}
	if old := root.get(last); old != nil {
		list.line, list.form = old.line, old.form
	}
	root.set(last, list, list.line)
}

// ofLayer says which layer a line is of; -1: it is one of the file.
func (l *laid) ofLayer(line int) int {
	if line >= 0 || -line > len(l.keys) {
		return -1
	}
	return -line - 1
}

var layerLine = regexp.MustCompile(`(\b(?:on|of|by) )?\bline -(\d+)`)

// words puts names of layers in the place of their lines.
func (l *laid) words(message string) string {
	return layerLine.ReplaceAllStringFunc(message, func(s string) string {
		m := layerLine.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		i := l.ofLayer(-n)
		if i < 0 {
			return s
		}
		in := m[1]
		if in == "on " {
			in = "in "
		}
		return fmt.Sprintf("%swhat was applied over the API to %s", in, l.keys[i])
	})
}

// named makes an error name the layer that it is about.
func (l *laid) named(e Error) Error {
	e.Message = l.words(e.Message)
	if i := l.ofLayer(e.Line); i >= 0 {
		key := l.keys[i]
		e.Line, e.Layer = 0, &key
		e.Key = shapeOf(key).field(e.Key, l.policies[i])
	}
	return e
}
