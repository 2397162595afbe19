package rib

// rdTable gives the route distinguishers of a feed small numbers, of which 0 is the global
// table's. One that no path has any more gives its number back.
type rdTable struct {
	numbers map[RD]uint32
	rds     []RD // by number less 1
	refs    []uint32
	free    []uint32
	last    uint32 // what hold returned last
}

func (t *rdTable) of(n uint32) RD {
	if n == 0 {
		return 0
	}
	return t.rds[n-1]
}

// hold returns the number of rd, with one more user.
func (t *rdTable) hold(rd RD) uint32 {
	if rd == 0 {
		return 0
	}
	n := t.last
	if n == 0 || t.rds[n-1] != rd {
		n = t.number(rd)
	}
	t.refs[n-1]++
	t.last = n
	return n
}

func (t *rdTable) number(rd RD) uint32 {
	if n, known := t.numbers[rd]; known {
		return n
	}
	if t.numbers == nil {
		t.numbers = make(map[RD]uint32)
	}
	var n uint32
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
		t.rds[n-1] = rd
	} else {
		t.rds, t.refs = append(t.rds, rd), append(t.refs, 0)
		n = uint32(len(t.rds))
	}
	t.numbers[rd] = n
	return n
}

// drop gives one use of a number back.
func (t *rdTable) drop(n uint32) {
	if n == 0 {
		return
	}
	if t.refs[n-1]--; t.refs[n-1] > 0 {
		return
	}
	delete(t.numbers, t.rds[n-1])
	t.rds[n-1] = 0
	if t.free = append(t.free, n); t.last == n {
		t.last = 0
	}
}
