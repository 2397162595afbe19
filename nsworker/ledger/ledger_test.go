package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// shop is a ledger of words by number, the store that it is about, and a clock.
type shop struct {
	*Ledger[int, string, string, struct{}]
	contention *Contention
	now        time.Time
	store      map[int]string
}

func newShop() *shop {
	s := &shop{now: time.Unix(1000, 0), store: make(map[int]string)}
	s.contention = NewContention(func() time.Time { return s.now })
	s.Ledger = New(NewMap[int, Entry[string, string, struct{}]](), s, s.contention, new(Drifts))
	s.Trusted = true
	return s
}

func (*shop) Comes(e *Entry[string, string, struct{}]) *string { return e.Want }
func (*shop) Same(have, want *string) bool                     { return *have == *want }
func (*shop) Replaced(_, _ *string)                            {}

func (s *shop) want(k int, v string) {
	e := s.Begin(k, rib.IPv4)
	e.Want = nil
	if v != "" {
		e.Want = &v
	}
	s.Mark(k, e)
}

// saw is told what the store shows of a key; "": nothing.
func (s *shop) saw(k int, v string) {
	e := s.Begin(k, rib.IPv4)
	switch {
	case v == "" && e.Have == nil, v != "" && e.Have != nil && *e.Have == v:
		return
	case v == "":
		s.Saw(e, Missing)
		s.Put(e, nil)
	default:
		s.Differs(e)
		s.Put(e, &v)
	}
	s.Mark(k, e)
}

func (s *shop) pass() {
	s.Pass(func(k int, e *Entry[string, string, struct{}]) {
		if s.Settle(k, e) == Empty {
			s.Drop(k, e)
		}
	})
}

// write writes what is due, at most n entries; refuse says why an entry is refused.
func (s *shop) write(n int, refuse func(int) string) (wrote []int) {
	for _, k := range s.Next(nil, n) {
		e := s.Find(k)
		if why := refuse(k); why != "" {
			s.Refuse(k, why)
			continue
		}
		wrote = append(wrote, k)
		s.Accepted(k)
		if e.Want == nil {
			delete(s.store, k)
		} else {
			s.store[k] = *e.Want
		}
		s.Put(e, e.Want)
		s.Mark(k, e)
	}
	s.pass()
	return wrote
}

func never(int) string { return "" }

func TestWhatDiffersIsWrittenOnceInItsOrder(t *testing.T) {
	s := newShop()
	for _, k := range []int{3, 1, 2} {
		s.want(k, "a")
	}
	s.pass()
	s.want(1, "b") // it changes its mind while it is due
	s.want(2, "")  // and one is not wanted after all
	s.pass()
	if got := s.write(10, never); !slices.Equal(got, []int{3, 1}) {
		t.Errorf("written are %v", got)
	}
	if !s.Idle() || s.store[1] != "b" || len(s.store) != 2 || s.Find(2) != nil {
		t.Errorf("idle %v, the store has %v", s.Idle(), s.store)
	}
}

func TestAPassLooksAtEachEntryOnce(t *testing.T) {
	s := newShop()
	s.want(1, "a")
	s.want(1, "b")
	s.want(2, "a")
	var seen []int
	s.Pass(func(k int, e *Entry[string, string, struct{}]) {
		seen = append(seen, k)
		s.Mark(k, e) // for the next pass
	})
	if !slices.Equal(seen, []int{1, 2}) || s.Idle() {
		t.Errorf("a pass saw %v", seen)
	}
}

func TestRefusedEntriesAreTriedAgainLaterEachTime(t *testing.T) {
	s := newShop()
	s.want(1, "a")
	s.pass()
	var waits []time.Duration
	for range 10 {
		s.write(10, func(int) string { return "no room" })
		if s.Refusal(1) != "no room" {
			t.Fatalf("the reason is %q", s.Refusal(1))
		}
		wait := s.RetryTime().Sub(s.now)
		waits = append(waits, wait)
		s.now = s.now.Add(wait - time.Nanosecond)
		if s.Retry(); !s.Idle() {
			t.Fatal("it is tried before its time")
		}
		s.now = s.now.Add(time.Nanosecond)
		s.Retry()
		s.pass()
	}
	if waits[0] != retryFirst || waits[1] != 2*retryFirst || waits[9] != retryMost {
		t.Errorf("the waits are %v", waits)
	}
	if s.write(10, never); s.Refusal(1) != "" || s.store[1] != "a" {
		t.Errorf("after it was taken: %q, %v", s.Refusal(1), s.store)
	}
}

func TestDriftIsCountedWhereItIsMended(t *testing.T) {
	s := newShop()
	for k := range 3 {
		s.want(k, "a")
	}
	s.pass()
	s.write(10, never)
	s.saw(0, "")
	s.saw(1, "b")
	s.saw(7, "c") // nobody here wrote it
	s.want(2, "")
	s.saw(2, "") // gone, and not wanted any more
	s.pass()
	want := [kinds]uint64{Missing: 1, Altered: 1, Strange: 1}
	if s.Drifts.Found[rib.IPv4] != want || s.Unmended() != 3 || s.Drifts.Mended[rib.IPv4] != [kinds]uint64{} {
		t.Errorf("found %v, %d not mended", s.Drifts, s.Unmended())
	}
	s.write(10, never)
	if s.Drifts.Mended[rib.IPv4] != want || s.Unmended() != 0 {
		t.Errorf("mended %v, %d not mended", s.Drifts, s.Unmended())
	}
	s.Trusted = false
	s.saw(0, "")
	if s.pass(); s.Drifts.Found[rib.IPv4] != want || s.Waiting() != 1 {
		t.Error("what is not trusted is no drift, and is put right all the same")
	}
}

// fight has another program take away what was written, until the ledger gives in.
func (s *shop) fight(k int) (rounds int) {
	for !s.LeftAlone(k) {
		if rounds++; rounds > 100 {
			break
		}
		s.saw(k, "")
		s.pass()
		s.write(10, never)
	}
	return rounds
}

func TestWhatIsChangedTooOftenIsLeftAlone(t *testing.T) {
	s := newShop()
	s.want(1, "a")
	s.want(2, "a")
	s.pass()
	s.write(10, never)
	if n := s.fight(1); n != Tolerance+1 {
		t.Errorf("left alone after %d changes", n)
	}
	if s.AllLeftAlone() != 1 || !s.Idle() || !s.contention.Paused() || !s.contention.CalmTime().IsZero() {
		t.Error("it is not left alone rightly")
	}
	first := s.contention.Again().Sub(s.now)
	s.now = s.contention.Again()
	if !s.contention.Over() || s.contention.Over() {
		t.Fatal("the pause does not end once")
	}
	s.TakeBack()
	s.pass()
	if got := s.write(10, never); !slices.Equal(got, []int{1}) {
		t.Errorf("written after the pause: %v", got)
	}
	if n := s.fight(1); n != 1 {
		t.Errorf("left alone again after %d changes", n)
	}
	if second := s.contention.Again().Sub(s.now); second != 2*first {
		t.Errorf("the pauses are %v and %v", first, second)
	}
	s.now = s.contention.Again()
	s.contention.Over()
	s.TakeBack()
	s.pass()
	s.write(10, never)
	s.now = s.now.Add(Calm)
	s.contention.Relax()
	if n := s.fight(1); n != Tolerance+1 {
		t.Errorf("after the calm left alone after %d changes", n)
	}
}

func TestALinkExcusesOneChangeOfEachKey(t *testing.T) {
	s := newShop()
	s.want(1, "a")
	s.pass()
	s.write(10, never)
	for range 3 {
		s.contention.Excuse()
	}
	if n := s.fight(1); n != Tolerance+1+3 {
		t.Errorf("left alone after %d changes", n)
	}
	s = newShop()
	s.want(1, "a")
	s.pass()
	s.write(10, never)
	s.contention.Excuse()
	s.now = s.now.Add(linkExcuse)
	if n := s.fight(1); n != Tolerance+1 {
		t.Errorf("an old link change excuses: left alone after %d changes", n)
	}
}

func TestWhatOthersAddIsDeletedAFewTimes(t *testing.T) {
	c := NewContention(func() time.Time { return time.Unix(1000, 0) })
	x := NewContest[string, int](c, WhenPutRight)
	for n := range Tolerance {
		if x.TooOften("r") {
			t.Fatalf("too often after %d times", n)
		}
		x.PutRight("r")
	}
	if !x.TooOften("r") || c.Paused() {
		t.Fatal("not too often")
	}
	x.Hold("r", 7)
	if !c.Paused() || x.Len() != 1 {
		t.Fatal("it is not left alone")
	}
	if got := x.Release(); got["r"] != 7 || x.Holds("r") || x.TooOften("r") {
		t.Errorf("released %v, held %v, too often %v", got, x.Holds("r"), x.TooOften("r"))
	}
	if x.PutRight("r"); !x.TooOften("r") {
		t.Error("once more is not too often again")
	}
}

// TestLedgerAgainstAModel: whatever is wanted, seen, refused and written, in whatever order,
// in the end the store has exactly what is wanted.
func TestLedgerAgainstAModel(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walk(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func walk(t *testing.T, r *rand.Rand) {
	s := newShop()
	wants := make(map[int]string)
	words := []string{"", "", "a", "b", "c"}
	for range 400 {
		k := r.IntN(12)
		switch r.IntN(6) {
		case 0, 1:
			v := words[r.IntN(len(words))]
			if wants[k] = v; v == "" {
				delete(wants, k)
			}
			s.want(k, v)
		case 2: // another program
			if v := words[r.IntN(len(words))]; v == "" {
				delete(s.store, k)
			} else {
				s.store[k] = v
			}
			s.saw(k, s.store[k])
		case 3:
			s.pass()
		case 4:
			s.write(1+r.IntN(4), func(int) string { return []string{"", "", "no"}[r.IntN(3)] })
		case 5:
			s.now = s.now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			s.Retry()
			if s.contention.Over() {
				s.TakeBack()
			}
			s.contention.Relax()
		}
		checkCounts(t, s)
	}
	for range 100 {
		s.now = s.now.Add(time.Minute)
		s.Retry()
		if s.contention.Over() {
			s.TakeBack()
		}
		s.contention.Relax()
		s.pass()
		s.write(100, never)
	}
	if !s.Idle() || fmt.Sprint(s.store) != fmt.Sprint(wants) {
		t.Errorf("idle %v; the store has %v, wanted is %v", s.Idle(), s.store, wants)
	}
	if s.Unmended() != 0 || s.AllLeftAlone() != 0 || s.Drifts.Found != s.Drifts.Mended {
		t.Errorf("%d not mended, %d left alone, %+v", s.Unmended(), s.AllLeftAlone(), *s.Drifts)
	}
}

// checkCounts holds the ledger's counts against its entries.
func checkCounts(t *testing.T, s *shop) {
	t.Helper()
	due, drifted := 0, 0
	for _, e := range s.All {
		if e.Due() {
			due++
		}
		if _, is := e.Drifted(); is {
			drifted++
		}
	}
	if due != s.Waiting() || drifted != s.Unmended() {
		t.Fatalf("%d entries are due, and %d counted; %d drifted, and %d counted", due, s.Waiting(), drifted, s.Unmended())
	}
}
