package walk_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// shrink walks a seed that failed again, with fewer and fewer steps, and says with how
// few it still fails. Each walk has a process of its own: one that fails ends its test.
func shrink(t *testing.T, seed uint64, steps int) {
	t.Helper()
	few := fewest(steps, func(n int) bool {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWalk$", fmt.Sprintf("-walk.seed=%d", seed), fmt.Sprintf("-walk.steps=%d", n))
		cmd.Env = append(os.Environ(), lab.DaemonEnv+"="+run.Daemon)
		err := cmd.Run()
		t.Logf("%d steps: %v", n, err)
		return err != nil
	})
	if few == 0 {
		t.Logf("seed %d fails with its %d steps, and not always: walked again, it went well", seed, steps)
		return
	}
	t.Logf("the fewest steps with which seed %d still fails: %d\n  %s", seed, few, replay(seed, few))
}

// fewest returns the fewest steps that fail, where more than these fail too; 0: not even
// all of them do.
func fewest(all int, fails func(int) bool) int {
	if !fails(all) {
		return 0
	}
	good, bad := 0, all
	for bad-good > 1 {
		if n := (good + bad) / 2; fails(n) {
			bad = n
		} else {
			good = n
		}
	}
	return bad
}

func TestFewest(t *testing.T) {
	for all := range 20 {
		for first := 1; first < 25; first++ {
			want, walks := first, 0
			if first > all {
				want = 0
			}
			got := fewest(all, func(n int) bool { walks++; return n >= first })
			if got != want || walks > 6 {
				t.Errorf("of %d steps that fail from %d on, %d are the fewest, in %d walks", all, first, got, walks)
			}
		}
	}
}
