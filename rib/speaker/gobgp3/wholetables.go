package gobgp3

// wholeTables are what GoBGP would do with a whole table in one turn of its loop, and is done in parts.
type wholeTables struct {
	parts *parts
	told  *firstTables
	gone  *removals
}

func newWholeTables(c *changes, p *pacer) *wholeTables {
	parts := newParts(c.loop, p)
	w := &wholeTables{parts, newFirstTables(c.loop, parts), newRemovals(c, parts)}
	c.ended = w.told.ended
	return w
}

// putBack ends a turn of the loop, at the beginning of what is done behind it.
func (w *wholeTables) putBack(stateChanged bool) {
	w.told.putBack()
	w.gone.putBack()
	if stateChanged {
		w.gone.back()
	}
}

// soft is called in the loop before a soft reset of a neighbour, or with "" of all.
func (w *wholeTables) soft(of string, in, out bool) {
	for key, p := range w.gone.peers() {
		if of != "" && key != of {
			continue
		}
		if in {
			w.gone.take(key, p, p.vrf(), softResetFamilies(p.at, 0), judgedAnew)
		}
		if out && p.established() {
			w.told.soon(key)
		}
	}
}
