package nexthop

// sharers are sets that have something in common. Mostly that is one, which needs no map: a VRF with
// many other PEs has as many.
type sharers struct {
	one  *Set
	more map[*Set]struct{}
}

func (s *sharers) add(set *Set) {
	switch {
	case s.one == set:
	case s.one == nil && len(s.more) == 0:
		s.one = set
	default:
		if s.more == nil {
			s.more = make(map[*Set]struct{})
		}
		s.more[set] = struct{}{}
	}
}

func (s *sharers) remove(set *Set) {
	if s.one == set {
		s.one = nil
	}
	if delete(s.more, set); len(s.more) == 0 {
		s.more = nil
	}
}

func (s sharers) len() int {
	n := len(s.more)
	if s.one != nil {
		n++
	}
	return n
}

// all yields each of them.
func (s sharers) all(yield func(*Set) bool) {
	if s.one != nil && !yield(s.one) {
		return
	}
	for set := range s.more {
		if !yield(set) {
			return
		}
	}
}
