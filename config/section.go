package config

import "maps"

// keys says how the value of each key of a section is read into S. A key that is not in
// it is passed over: the schema refuses unknown keys.
type keys[S any] map[string]func(p *problems, n *node, s *S)

// read reads the keys without a fault of a section into s. A nil section is empty.
func read[S any](p *problems, n *node, ks keys[S], s *S) {
	if n == nil {
		return
	}
	for _, f := range n.fields {
		if set := ks[f.name]; set != nil && f.value.kind != kindBad {
			set(p, f.value, s)
		}
	}
}

// with returns ks with more keys.
func with[S any](ks, more keys[S]) keys[S] {
	if len(more) == 0 {
		return ks
	}
	all := maps.Clone(ks)
	maps.Copy(all, more)
	return all
}

// schema returns ks as a schema in which every key is a value, but for the keys
// that sections names.
func (ks keys[S]) schema(sections schema) schema {
	s := make(schema, len(ks)+len(sections))
	for name := range ks {
		s[name] = nil
	}
	maps.Copy(s, sections)
	return s
}

// one reads a key with a single value.
func one[S, T any](parse func(*node) (T, error), field func(*S) *T) func(*problems, *node, *S) {
	return func(p *problems, n *node, s *S) {
		v, err := parse(n)
		if err != nil {
			p.at(n, "%v", err)
			return
		}
		*field(s) = v
	}
}

// many reads a key with a list of values, and blames each by itself.
func many[S, T any](parse func(*node) (T, error), field func(*S) *[]T) func(*problems, *node, *S) {
	return func(p *problems, n *node, s *S) {
		if n.kind != kindList {
			p.at(n, "%s is no list; write it in brackets: [%s]", n.show(), n.show())
			return
		}
		for _, item := range n.items {
			if item.kind == kindBad {
				continue
			}
			v, err := parse(item)
			if err != nil {
				p.at(item, "%v", err)
				continue
			}
			*field(s) = append(*field(s), v)
		}
	}
}
