package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// yamlReader builds the tree from YAML's. Aliases are followed, and merge keys
// (<<) are merged, as the library GoBGP uses does.
type yamlReader struct {
	*problems
	within int // how many aliases are being followed
	copied int // nodes that aliases made
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func readYAML(p *problems, data []byte) *node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &node{kind: kindSection}
	}
	if err != nil {
		p.notYAML(err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		p.add(second.Line, "", "is a second YAML document; write one file with one document")
	} else if !errors.Is(err, io.EOF) {
		p.notYAML(err)
		return nil
	}
	r := &yamlReader{problems: p}
	root := r.node(doc.Content[0], doc.Content[0].Line, "", 0)
	switch root.kind {
	case kindSection:
		return root
	case kindNull:
		return &node{kind: kindSection}
	case kindBad:
	default:
		p.add(root.line, "", "is %s; write a configuration with sections, such as global", root.show())
	}
	return nil
}

func (p *problems) notYAML(err error) {
	text, line := err.Error(), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // the expression matched digits
		text = text[len(m[0]):]
	}
	p.add(line, "", "is not YAML: %s", strings.TrimPrefix(text, "yaml: "))
}

func (r *yamlReader) node(y *yaml.Node, line int, path string, depth int) *node {
	n := &node{kind: kindBad, line: line}
	if r.within > 0 {
		r.copied++
	}
	if depth > maxDepth || r.copied > maxCopied {
		if r.copied <= maxCopied+1 { // once is enough
			r.add(line, path, "nests more than %d deep, or its aliases repeat too much; write it out", maxDepth)
		}
		r.copied = max(r.copied, maxCopied+1) // stop at once: aliases multiply
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		r.within++
		defer func() { r.within-- }()
		return r.node(y.Alias, line, path, depth+1)
	case yaml.MappingNode:
		n.kind = kindSection
		r.section(n, y, path, depth)
	case yaml.SequenceNode:
		n.kind = kindList
		for i, item := range y.Content {
			n.items = append(n.items, r.node(item, item.Line, path+"["+strconv.Itoa(i)+"]", depth+1))
		}
	case yaml.ScalarNode:
		r.scalar(n, y, path)
	}
	return n
}

func (r *yamlReader) section(n *node, y *yaml.Node, path string, depth int) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case key.Kind != yaml.ScalarNode:
			r.add(key.Line, path, "has a key that is not plain text; write a name")
			continue
		}
		v := r.node(value, key.Line, join(path, key.Value), depth+1)
		if first := n.put(key.Value, key.Line, v); first != nil {
			r.repeated(path, key.Value, key.Line, first)
		}
	}
	for _, m := range merges {
		r.merge(n, r.node(m, m.Line, path, depth+1), path)
	}
}

// merge puts into n what it does not have itself: the first to give a key wins.
func (r *yamlReader) merge(n, from *node, path string) {
	switch from.kind {
	case kindSection:
		for _, f := range from.fields {
			n.put(f.written, f.line, f.value)
		}
	case kindList:
		for _, item := range from.items {
			r.merge(n, item, path)
		}
	case kindBad:
	default:
		r.add(from.line, path, "merges (<<) %s; merge a section", from.show())
	}
}

func (r *yamlReader) scalar(n *node, y *yaml.Node, path string) {
	n.text = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp":
		n.kind = kindText
	case "!!null":
		n.kind = kindNull
	case "!!bool", "!!int", "!!float":
		var v any
		if err := y.Decode(&v); err != nil {
			r.add(n.line, path, "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
			return
		}
		switch v := v.(type) {
		case bool:
			n.kind, n.text = kindBool, strconv.FormatBool(v)
		case float64:
			n.setFloat(r.problems, path, v, nil)
		default: // int, int64, uint64
			n.kind, n.text = kindWhole, fmt.Sprint(v)
		}
	default:
		r.add(n.line, path, "has the tag %s; remove the tag", tag)
	}
}

// setFloat makes n a number, which JSON must be able to say.
func (n *node) setFloat(p *problems, path string, f float64, err error) {
	n.kind = kindFloat
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		p.add(n.line, path, "%s is not a number that can be used; write a finite one", n.text)
		n.kind = kindBad
		return
	}
	n.text = strconv.FormatFloat(f, 'g', -1, 64)
}
