package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestReloadsAreCounted by how they ended.
func TestReloadsAreCounted(t *testing.T) {
	s := reloading(t)
	if all := s.changer.Reloads(); len(all.Count) != 0 || all.Last != (vrf.Reload{}) {
		t.Errorf("before any: %+v", all)
	}
	counted := func(want map[string]uint64, last string) {
		t.Helper()
		all := s.changer.Reloads()
		if d := cmp.Diff(want, all.Count); d != "" || all.Last.Outcome != last || all.Last.Ended.IsZero() || all.Last.Took < 0 {
			t.Errorf("(-want +got)\n%s; the last one: %+v", d, all.Last)
		}
	}
	s.refuse("read the file")
	_, _, _ = s.changer.Reload(t.Context(), 0)
	counted(map[string]uint64{vrf.ReloadFailed: 1}, vrf.ReloadFailed)
	s.refuse("run a a/3 c")
	_, _, _ = s.changer.Reload(t.Context(), 0)
	counted(map[string]uint64{vrf.ReloadFailed: 1, vrf.ReloadIncomplete: 1}, vrf.ReloadIncomplete)
	s.refuse()
	if _, _, err := s.changer.Reload(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	counted(map[string]uint64{vrf.ReloadFailed: 1, vrf.ReloadIncomplete: 1, vrf.ReloadApplied: 1}, vrf.ReloadApplied)
}

// TestAReloadThatNobodyConfirmsIsCounted twice: when it was applied, and when it was undone.
func TestAReloadThatNobodyConfirmsIsCounted(t *testing.T) {
	waiting(t, func(t *testing.T, s *stage) {
		_, _, _ = s.changer.Reload(t.Context(), 0) // refused: one waits
		s.refuse("BGP gets old")
		time.Sleep(time.Minute) // of the bubble's clock
		synctest.Wait()
		s.refuse()
		time.Sleep(rollbackAgain)
		synctest.Wait()
		all := s.changer.Reloads()
		want := map[string]uint64{vrf.ReloadApplied: 1, vrf.ReloadFailed: 2, vrf.ReloadUndone: 1}
		if d := cmp.Diff(want, all.Count); d != "" || all.Last.Outcome != vrf.ReloadUndone {
			t.Errorf("(-want +got)\n%s; the last one: %+v", d, all.Last)
		}
	})
}
