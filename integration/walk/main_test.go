// Package walk_test walks at random: a seed makes thousands of steps of BGP peers, of
// other programs, of links and namespaces, and of the daemon's own ends and starts,
// on the real kernel with the real program. At rest points the kernel's tables are
// held against a model that the test computes by itself, and everything that is not
// the daemon's against a twin of each namespace in which there is no daemon.
package walk_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

var (
	walkFor   = flag.Duration("walk.for", 0, "walk for this long, one fresh seed after the other")
	walkSeed  = flag.Uint64("walk.seed", 0, "walk this seed alone")
	walkSteps = flag.Int("walk.steps", 0, "steps of each seed")
	walkLess  = flag.Bool("walk.shrink", false, "walk a seed that failed again, to find the fewest steps that fail")
)

func TestMain(m *testing.M) {
	flag.Parse()
	lab.Exit("integration/walk", func() (int, error) { return run.Play(m) })
}

// The walk of `make test`: these seeds and a fresh one, each of so many steps, or
// for so long where the machine is slow.
var fixedSeeds = []uint64{1, 2, 3}

const (
	stepsOfSeed = 400
	timeOfSeed  = 15 * time.Second
	soakSteps   = 5000
)

func TestWalk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the walk makes network namespaces")
	}
	began := time.Now()
	fresh := uint64(began.UnixNano()) % 1_000_000_000
	switch {
	case *walkSeed != 0:
		walk(t, *walkSeed, or(*walkSteps, soakSteps), or(*walkFor, 24*time.Hour))
	case *walkFor != 0:
		for seed := fresh; time.Since(began) < *walkFor && !t.Failed(); seed++ {
			walk(t, seed, or(*walkSteps, soakSteps), *walkFor-time.Since(began))
		}
	default:
		for _, seed := range append(fixedSeeds, fresh) {
			walk(t, seed, or(*walkSteps, stepsOfSeed), timeOfSeed)
		}
	}
}

func or[T comparable](given, otherwise T) T {
	var none T
	if given == none {
		return otherwise
	}
	return given
}

func walk(t *testing.T, seed uint64, steps int, most time.Duration) {
	t.Helper()
	w := newWalker(seed)
	ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the last of %d steps:\n%s\nWalk it again:\n  %s", w.taken, w.last(40), replay(seed, w.taken))
			}
		})
		w.world = newWorld(t, w.state)
		began := time.Now()
		for w.taken < steps && time.Since(began) < most {
			w.burst(steps)
		}
		w.world.finish()
		t.Logf("seed %d: %d steps, %d rests, %d starts of the daemon, in %s", seed, w.taken, w.world.rests, w.world.starts, time.Since(began).Round(time.Second))
	})
	if !ok && *walkLess {
		shrink(t, seed, w.taken)
	}
}

func replay(seed uint64, steps int) string {
	return fmt.Sprintf("go test -count=1 -v ./integration/walk -run TestWalk -walk.seed %d -walk.steps %d", seed, steps)
}

// The same seed makes the same steps, whatever the kernel and the daemon do.
func TestSameSeedSameSteps(t *testing.T) {
	for seed := uint64(1); seed < 20; seed++ {
		a, b := newWalker(seed), newWalker(seed)
		for range 200 {
			a.burst(1 << 30)
			b.burst(1 << 30)
		}
		lab.Equal(t, fmt.Sprintf("the steps of seed %d", seed), a.last(1<<30), b.last(1<<30))
		if a.taken < 500 {
			t.Fatalf("200 bursts made %d steps", a.taken)
		}
	}
}
