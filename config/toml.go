package config

import (
	"errors"
	"math/big"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlForm is how a TOML file made a section or a list, which rules whether it
// may go on elsewhere in the file.
type tomlForm uint8

const (
	formInline   tomlForm = iota // {…} or […]: complete
	formImplicit                 // named on the way to another: may get a header still
	formDotted                   // by a dotted key
	formHeader                   // by [section] or [[list]]
)

// tomlReader builds the tree from the syntax tree of go-toml, which knows
// positions and leaves the meaning of repeated headers to its caller.
type tomlReader struct {
	*problems
	parser unstable.Parser
	lines  lineCounter
	root   *node
	here   *node // the section of the last header
	path   string
}

func readTOML(p *problems, data []byte) *node {
	r := &tomlReader{problems: p, lines: lineCounter{data: data}, root: &node{kind: kindSection, form: formHeader}}
	r.here = r.root
	before := len(p.list)
	r.parser.Reset(data)
	for r.parser.NextExpression() {
		r.expression(r.parser.Expression())
	}
	var bad *unstable.ParserError
	if err := r.parser.Error(); errors.As(err, &bad) {
		p.add(r.line(r.parser.Range(bad.Highlight)), "", "is not TOML: %s", bad.Message)
		return nil
	} else if err != nil {
		p.add(0, "", "is not TOML: %v", err)
		return nil
	}
	if len(p.list) == before && !r.validate(data) {
		return nil
	}
	return r.root
}

// validate lets go-toml itself judge the faults that the syntax tree leaves open: leading
// zeros, impossible dates, the finer rules on redefined tables.
func (r *tomlReader) validate(data []byte) bool {
	var discard map[string]any
	err := toml.Unmarshal(data, &discard)
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &bad):
		line, _ := bad.Position()
		r.add(line, "", "is not TOML: %s", strings.TrimPrefix(bad.Error(), "toml: "))
	case err != nil:
		r.add(0, "", "is not TOML: %v", err)
	}
	return err == nil
}

func (r *tomlReader) line(at unstable.Range) int {
	return r.lines.at(int(at.Offset))
}

func (r *tomlReader) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table:
		r.header(e, false)
	case unstable.ArrayTable:
		r.header(e, true)
	case unstable.KeyValue:
		r.assign(r.here, r.path, e)
	}
}

// header opens the section of [a.b] or the new item of [[a.b]]. After an error
// the keys below it go nowhere, so that they cause no more of them.
func (r *tomlReader) header(e *unstable.Node, list bool) {
	parent, path, last, line := r.descend(r.root, "", e.Key(), formImplicit)
	r.path = join(path, last)
	r.here = &node{kind: kindSection, line: line, form: formHeader}
	if parent == nil {
		return
	}
	if !list {
		first := parent.put(last, line, r.here)
		if first == nil {
			return
		}
		if v := first.value; v.kind == kindSection && v.form == formImplicit {
			v.form, v.line, first.line, first.written, r.here = formHeader, line, line, last, v
			return
		}
		r.repeated(path, last, line, first)
		return
	}
	first := parent.put(last, line, &node{kind: kindList, line: line, form: formHeader, items: []*node{r.here}})
	if first == nil {
		return
	}
	if v := first.value; v.kind == kindList && v.form == formHeader {
		v.items = append(v.items, r.here)
		return
	}
	r.repeated(path, last, line, first)
}

// descend walks a dotted key to its last part, and makes the sections on the
// way. It returns a nil section where one of them is something else.
func (r *tomlReader) descend(n *node, path string, parts unstable.Iterator, form tomlForm) (*node, string, string, int) {
	parts.Next()
	for {
		part := string(parts.Node().Data)
		line := r.line(parts.Node().Raw)
		if parts.IsLast() || !parts.Next() {
			return n, path, part, line
		}
		if n == nil {
			path = join(path, part)
			continue
		}
		next := &node{kind: kindSection, line: line, form: form}
		if first := n.put(part, line, next); first != nil {
			next = first.value
			if next.kind == kindList && next.form == formHeader {
				next = next.items[len(next.items)-1]
			}
			if next.kind != kindSection || next.form == formInline {
				r.repeated(path, part, line, first)
				next = nil
			}
		}
		n, path = next, join(path, part)
	}
}

func (r *tomlReader) assign(n *node, path string, e *unstable.Node) {
	parent, path, last, line := r.descend(n, path, e.Key(), formDotted)
	v := r.value(e.Value(), line, join(path, last), 0)
	if parent == nil {
		return
	}
	if first := parent.put(last, line, v); first != nil {
		r.repeated(path, last, line, first)
	}
}

func (r *tomlReader) value(e *unstable.Node, line int, path string, depth int) *node {
	n := &node{line: line, text: string(e.Data)}
	if depth > maxDepth {
		r.add(line, path, "nests more than %d deep; nothing here does", maxDepth)
		n.kind = kindBad
		return n
	}
	switch e.Kind {
	case unstable.Array:
		n.kind = kindList
		for it := e.Children(); it.Next(); {
			child := it.Node()
			at := line
			if child.Raw.Length > 0 {
				at = r.line(child.Raw)
			}
			n.items = append(n.items, r.value(child, at, path+"["+strconv.Itoa(len(n.items))+"]", depth+1))
		}
	case unstable.InlineTable:
		n.kind = kindSection
		for it := e.Children(); it.Next(); {
			r.assign(n, path, it.Node())
		}
	case unstable.Bool:
		n.kind = kindBool
	case unstable.Integer:
		n.kind = kindWhole
		if i, ok := new(big.Int).SetString(n.text, 0); ok {
			n.text = i.String()
		}
	case unstable.Float:
		r.float(n, path)
	default: // strings, and dates as they are written
		n.kind = kindText
	}
	return n
}

func (r *tomlReader) float(n *node, path string) {
	f, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64)
	n.setFloat(r.problems, path, f, err)
}
