package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// numbered is greenVRF by another name, RD and namespace.
func numbered(i, rd int) vrf.ApplyRequest {
	name := fmt.Sprintf("t%d", i)
	return toApply(name, fmt.Sprintf(`{"name":%q,"rd":"65000:%d","both_rt_list":["65000:%d"],"netns":%q,"export":{"enabled":true}}`, name, rd, rd, name))
}

// atOnce has requests wait together for one turn, and returns their errors in the same order.
func atOnce(t *testing.T, a *applications, calls ...func() error) []error {
	t.Helper()
	a.changer.mu.Lock()
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = call() })
		for waits := 0; waits <= i; { // one after the other
			<-a.turns.came
			a.turns.mu.Lock()
			waits = len(a.turns.waiting)
			a.turns.mu.Unlock()
		}
	}
	a.changer.mu.Unlock()
	all.Wait()
	return errs
}

func applies(a *applications, r vrf.ApplyRequest) func() error {
	return func() error { _, err := a.Apply(context.Background(), r); return err }
}

func deletes(a *applications, name string) func() error {
	return func() error {
		_, err := a.Delete(context.Background(), vrf.DeleteRequest{Key: vrf.LayerKey{Name: name}})
		return err
	}
}

// TestWhoWaitIsServedTogether: by one change of BGP and one of the state directory.
func TestWhoWaitIsServedTogether(t *testing.T) {
	s, a := layeredStage(t)
	var calls []func() error
	for i := range 20 {
		calls = append(calls, applies(a, numbered(i, 100+i)))
	}
	if err := errors.Join(atOnce(t, a, calls...)...); err != nil {
		t.Fatal(err)
	}
	if done := s.take(); len(done) != 5 || len(s.running()) != 21 {
		t.Errorf("%d VRFs run after %q", len(s.running()), done)
	}
	again, err := openLayering(Options{File: "f.toml", StateDir: s.dir}, bgpPart(nil))
	if err != nil || again.layers().Len() != 20 || again.layers().At() != 20 {
		t.Errorf("the next start has %d of generation %d, %v", again.layers().Len(), again.layers().At(), err)
	}
}

// TestWhoIsRefusedRefusesNobodyElse of those that wait for the same turn.
func TestWhoIsRefusedRefusesNobodyElse(t *testing.T) {
	s, a := layeredStage(t)
	if err := errors.Join(atOnce(t, a, applies(a, numbered(0, 100)), applies(a, numbered(1, 101)))...); err != nil {
		t.Fatal(err)
	}
	stale := numbered(0, 100)
	stale.Generation = new(uint64(7))
	changed := numbered(2, 102)
	changed.Section = []byte(strings.Replace(string(changed.Section), "true", "true,\"metric\":5", 1))
	leaks := numbered(7, 107)
	leaks.Section = []byte(strings.Replace(string(leaks.Section), "}}", `},"bgp":{"leak_from":["t1"]}}`, 1))
	errs := atOnce(t, a,
		applies(a, numbered(2, 102)),
		applies(a, numbered(3, 1)), // the RD of the file's VRF
		deletes(a, "t1"),           // which another one needs
		applies(a, changed),        // of a VRF that comes in the same turn
		applies(a, stale),
		applies(a, numbered(4, 104)),
		applies(a, numbered(5, 104)), // the RD of one of the same turn
		applies(a, leaks),
		deletes(a, "t9"),
		applies(a, numbered(6, 106)),
	)
	for i, why := range map[int]string{1: `65000:1 is the RD of VRF "red" too`, 4: "it has generation", 8: "nothing was applied"} {
		if errs[i] == nil || !strings.Contains(errs[i].Error(), why) {
			t.Errorf("request %d: %v; want %s", i, errs[i], why)
		}
	}
	for _, i := range []int{0, 3, 9} {
		if errs[i] != nil {
			t.Errorf("request %d: %v", i, errs[i])
		}
	}
	// Of two that cannot be had together one is in force, and the other one is refused.
	for _, pair := range [][2]int{{2, 7}, {5, 6}} {
		if (errs[pair[0]] == nil) == (errs[pair[1]] == nil) {
			t.Errorf("requests %d and %d: %v, and %v", pair[0], pair[1], errs[pair[0]], errs[pair[1]])
		}
	}
	want := []string{"red", "t0", "t2", "t6"}
	for name, in := range map[string]bool{"t1": errs[2] != nil, "t7": errs[7] == nil, "t4": errs[5] == nil, "t5": errs[6] == nil} {
		if in {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if running := s.running(); !slices.Equal(running, want) {
		t.Errorf("%v run, want %v", running, want)
	}
	if t2, _ := s.changer.force.spec("t2"); t2.Export.Metric != 5 {
		t.Errorf("t2 has metric %d", t2.Export.Metric)
	}
}

// TestAChangeThatBGPRefusesIsTriedWithoutIt: what the file's checks let pass and GoBGP does not is
// found out by trying.
func TestAChangeThatBGPRefusesIsTriedWithoutIt(t *testing.T) {
	s, a := layeredStage(t)
	refused := 0
	s.bgp.refuses = func(text []byte) bool {
		if strings.Contains(string(text), `"name":"t2"`) {
			refused++
			return true
		}
		return false
	}
	errs := atOnce(t, a, applies(a, numbered(0, 100)), applies(a, numbered(1, 101)), applies(a, numbered(2, 102)), applies(a, numbered(3, 103)))
	for i, err := range errs {
		if (err != nil) != (i == 2) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if want := []string{"red", "t0", "t1", "t3"}; !slices.Equal(s.running(), want) || refused == 0 {
		t.Errorf("%v run, want %v", s.running(), want)
	}
}
