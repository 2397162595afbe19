package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// jsonReader builds the tree token by token: only a token has a position, and only so is
// a key found that is given twice.
type jsonReader struct {
	*problems
	decoder *json.Decoder
	lines   lineCounter
}

// errDeep ends the reading of a file that nests too deep; it has been reported.
var errDeep = errors.New("nests too deep")

func readJSON(p *problems, data []byte) *node {
	r := &jsonReader{problems: p, decoder: json.NewDecoder(bytes.NewReader(data)), lines: lineCounter{data: data}}
	r.decoder.UseNumber()
	root, err := r.value(0, "", 0)
	if err == nil {
		if _, more := r.decoder.Token(); !errors.Is(more, io.EOF) {
			p.add(r.line(), "", "is not JSON: something follows the end of the configuration")
			return nil
		}
	}
	var syntax *json.SyntaxError
	switch {
	case err == nil && root.kind == kindSection:
		return root
	case err == nil:
		p.add(root.line, "", "is %s; write an object with sections, such as \"global\"", root.show())
	case errors.Is(err, errDeep):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.add(r.lines.at(len(data)), "", "is not JSON: it ends too early")
	case errors.As(err, &syntax):
		p.add(r.lines.at(min(int(syntax.Offset), len(data))), "", "is not JSON: %s", strings.TrimPrefix(syntax.Error(), "json: "))
	default:
		p.add(r.line(), "", "is not JSON: %v", err)
	}
	return nil
}

// line is where the token just read ends, which no token of JSON spans.
func (r *jsonReader) line() int { return r.lines.at(int(r.decoder.InputOffset())) }

// value reads one value; line is its key's, 0 where it has none.
func (r *jsonReader) value(line int, path string, depth int) (*node, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	if line == 0 {
		line = r.line()
	}
	n := &node{line: line}
	if depth > maxDepth {
		r.add(line, path, "nests more than %d deep; nothing here does", maxDepth)
		return nil, errDeep
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			n.kind = kindSection
			return n, r.section(n, path, depth)
		}
		n.kind = kindList
		return n, r.items(n, path, depth)
	case json.Number:
		r.number(n, path, t)
	case bool:
		n.kind, n.text = kindBool, strconv.FormatBool(t)
	case string:
		n.kind, n.text = kindText, t
	case nil:
		n.kind = kindNull
	}
	return n, nil
}

func (r *jsonReader) section(n *node, path string, depth int) error {
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return err
		}
		key, line := token.(string), r.line() // the decoder lets nothing else be a key
		v, err := r.value(line, join(path, key), depth+1)
		if err != nil {
			return err
		}
		if first := n.put(key, line, v); first != nil {
			r.repeated(path, key, line, first)
		}
	}
	_, err := r.decoder.Token()
	return err
}

func (r *jsonReader) items(n *node, path string, depth int) error {
	for r.decoder.More() {
		item, err := r.value(0, path+"["+strconv.Itoa(len(n.items))+"]", depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.decoder.Token()
	return err
}

func (r *jsonReader) number(n *node, path string, number json.Number) {
	n.text = number.String()
	if !strings.ContainsAny(n.text, ".eE") {
		n.kind = kindWhole
		return
	}
	f, err := number.Float64()
	n.setFloat(r.problems, path, f, err)
}
