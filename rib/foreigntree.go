package rib

import "slices"

// foreignTree has the routes of each prefix of a ForeignTable, in the order of the prefixes: a
// B-tree. It is immutable. With and without one prefix it shares all nodes but one of each level,
// so that a change costs two kilobytes, however many routes there are: another program may change
// thousands in a second. A nil *foreignTree is an empty one.
type foreignTree struct {
	keys   []packed       // of a leaf its prefixes, else the first one of each of below
	routes [][]Route      // of a leaf
	below  []*foreignTree // none: it is a leaf
}

// treeMost is how many prefixes, or nodes below it, a node has at most, and treeFew how few have it
// joined with the next, where both have room in one.
const (
	treeMost = 32
	treeFew  = 8
)

// routesOf are the routes of one prefix of a foreignTree that is being made.
type routesOf struct {
	key    packed
	routes []Route
}

// newForeignTree returns the tree of prefixes in their order.
func newForeignTree(all []routesOf) *foreignTree {
	const filled = treeMost * 3 / 4 // so that the first routes that come in split no node
	var level []*foreignTree
	for some := range slices.Chunk(all, filled) {
		leaf := &foreignTree{keys: make([]packed, len(some)), routes: make([][]Route, len(some))}
		for i := range some {
			leaf.keys[i], leaf.routes[i] = some[i].key, some[i].routes
		}
		level = append(level, leaf)
	}
	for len(level) > 1 {
		var above []*foreignTree
		for some := range slices.Chunk(level, filled) {
			above = append(above, nodeOver(slices.Clone(some)))
		}
		level = above
	}
	if len(level) == 0 {
		return nil
	}
	return level[0]
}

func nodeOver(below []*foreignTree) *foreignTree {
	keys := make([]packed, len(below))
	for i, b := range below {
		keys[i] = b.keys[0]
	}
	return &foreignTree{keys: keys, below: below}
}

// before returns the place of the last key that is not behind k; -1: all are.
func (t *foreignTree) before(k packed) int {
	from, end := 0, len(t.keys)
	for from < end {
		if at := (from + end) / 2; t.keys[at].compare(k) <= 0 {
			from = at + 1
		} else {
			end = at
		}
	}
	return from - 1
}

// floor returns the last prefix that is not behind k, with its routes; false: there is none.
func (t *foreignTree) floor(k packed) (found packed, routes []Route, is bool) {
	for t != nil {
		i := t.before(k)
		switch {
		case i < 0:
			return packed{}, nil, false
		case t.below == nil:
			return t.keys[i], t.routes[i], true
		}
		t = t.below[i]
	}
	return packed{}, nil, false
}

// get returns the routes of a prefix.
func (t *foreignTree) get(k packed) []Route {
	if found, routes, is := t.floor(k); is && found == k {
		return routes
	}
	return nil
}

// all yields every prefix with its routes, and tells whether to go on.
func (t *foreignTree) all(yield func(packed, []Route) bool) bool {
	if t == nil {
		return true
	}
	for i := range t.routes {
		if !yield(t.keys[i], t.routes[i]) {
			return false
		}
	}
	for _, b := range t.below {
		if !b.all(yield) {
			return false
		}
	}
	return true
}

// with returns t with routes as those of a prefix.
func (t *foreignTree) with(k packed, routes []Route) *foreignTree {
	if t == nil {
		return &foreignTree{keys: []packed{k}, routes: [][]Route{routes}}
	}
	t, more := t.put(k, routes)
	if more == nil {
		return t
	}
	return nodeOver([]*foreignTree{t, more})
}

// put is with, in two nodes where one has no room.
func (t *foreignTree) put(k packed, routes []Route) (now, more *foreignTree) {
	i := t.before(k)
	switch {
	case t.below != nil:
		i = max(i, 0)
		now, more = t.below[i].put(k, routes)
		return t.over(i, now, more).halved()
	case i >= 0 && t.keys[i] == k:
		now = &foreignTree{keys: t.keys, routes: slices.Clone(t.routes)}
		now.routes[i] = routes
		return now, nil
	}
	return (&foreignTree{keys: inserted(t.keys, i+1, k), routes: inserted(t.routes, i+1, routes)}).halved()
}

// over returns t with another node, or two, in place of the one at i.
func (t *foreignTree) over(i int, now, more *foreignTree) *foreignTree {
	n := &foreignTree{keys: t.keys, below: slices.Clone(t.below)}
	if n.below[i] = now; now.keys[0] != t.keys[i] {
		n.keys = slices.Clone(t.keys)
		n.keys[i] = now.keys[0]
	}
	if more != nil {
		n.keys, n.below = inserted(n.keys, i+1, more.keys[0]), inserted(n.below, i+1, more)
	}
	return n
}

// halved returns t in two nodes where it is too large for one.
func (t *foreignTree) halved() (now, more *foreignTree) {
	if len(t.keys) <= treeMost {
		return t, nil
	}
	half := len(t.keys) / 2
	return t.part(0, half), t.part(half, len(t.keys))
}

func (t *foreignTree) part(from, end int) *foreignTree {
	p := &foreignTree{keys: slices.Clone(t.keys[from:end])}
	if t.below != nil {
		p.below = slices.Clone(t.below[from:end])
	} else {
		p.routes = slices.Clone(t.routes[from:end])
	}
	return p
}

// without returns t without a prefix.
func (t *foreignTree) without(k packed) *foreignTree {
	if t == nil {
		return nil
	}
	t = t.drop(k)
	for t != nil && len(t.below) == 1 {
		t = t.below[0]
	}
	return t
}

// drop is without, with nodes of which each has one other below it.
func (t *foreignTree) drop(k packed) *foreignTree {
	i := t.before(k)
	switch {
	case i < 0 || t.below == nil && t.keys[i] != k:
		return t
	case t.below == nil:
		return t.less(i)
	}
	switch now := t.below[i].drop(k); now {
	case t.below[i]:
		return t
	case nil:
		return t.less(i)
	default:
		return t.over(i, now, nil).joined(i)
	}
}

// less returns t without what is at i; nil: there is nothing else.
func (t *foreignTree) less(i int) *foreignTree {
	if len(t.keys) == 1 {
		return nil
	}
	n := &foreignTree{keys: removed(t.keys, i)}
	if t.below != nil {
		n.below = removed(t.below, i)
	} else {
		n.routes = removed(t.routes, i)
	}
	return n
}

// joined returns t, which nobody else has yet, with the node at i and the one behind it in one, where
// the former has little and both have room there.
func (t *foreignTree) joined(i int) *foreignTree {
	if i+1 >= len(t.below) || len(t.below[i].keys) > treeFew || len(t.below[i].keys)+len(t.below[i+1].keys) > treeMost {
		return t
	}
	a, b := t.below[i], t.below[i+1]
	n := t.less(i + 1)
	n.below[i] = &foreignTree{keys: slices.Concat(a.keys, b.keys), routes: slices.Concat(a.routes, b.routes), below: slices.Concat(a.below, b.below)}
	return n
}

// inserted is a copy of a list with one more in it.
func inserted[T any](list []T, at int, one T) []T {
	n := make([]T, 0, len(list)+1)
	n = append(append(n, list[:at]...), one)
	return append(n, list[at:]...)
}

// removed is a copy of a list with one less in it.
func removed[T any](list []T, at int) []T {
	return append(append(make([]T, 0, len(list)-1), list[:at]...), list[at+1:]...)
}
