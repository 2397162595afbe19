package ledger

import "maps"

// Map is a Store of few or scattered keys.
type Map[K comparable, E any] struct{ entries map[K]*E }

// NewMap returns an empty store.
func NewMap[K comparable, E any]() *Map[K, E] { return &Map[K, E]{make(map[K]*E)} }

// At implements Store.
func (m *Map[K, E]) At(k K) *E {
	e := m.entries[k]
	if e == nil {
		e = new(E)
		m.entries[k] = e
	}
	return e
}

// Find implements Store.
func (m *Map[K, E]) Find(k K) *E { return m.entries[k] }

// Drop implements Store.
func (m *Map[K, E]) Drop(k K) { delete(m.entries, k) }

// All implements Store.
func (m *Map[K, E]) All(yield func(K, *E) bool) { maps.All(m.entries)(yield) }

// Len returns for how many keys there is room.
func (m *Map[K, E]) Len() int { return len(m.entries) }
