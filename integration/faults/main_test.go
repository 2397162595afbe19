// Package faults_test is the fault matrix on a real kernel, in network namespaces
// that it makes and removes: each test is named after its row, breaks one thing,
// and holds the kernel's tables against the model. `make faults` prints what was
// promised and what was measured.
package faults_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

// routesEnv is the number of routes of the heavy rows.
const routesEnv = "VRFREDIST_FAULT_ROUTES"

// The heavy rows at their full size, and without `make faults`.
const (
	fullRoutes  = 100_000
	plainRoutes = 5_000
)

// routes is the number of routes of the heavy rows; TestMain sets it.
var routes = plainRoutes

// scaled is how much of something a row does: full in `make faults`, plain else.
func scaled[T any](plain, full T) T {
	if routes >= fullRoutes {
		return full
	}
	return plain
}

// limit is how long a test waits for what needs all the routes. It is no promise:
// promises are measured, and shown beside the measured figure.
func limit() time.Duration { return scaled(60*time.Second, 2*time.Minute) }

func TestMain(m *testing.M) {
	lab.Exit("integration/faults", func() (_ int, err error) {
		if s := os.Getenv(routesEnv); s != "" {
			if routes, err = strconv.Atoi(s); err != nil || routes < 1000 {
				return 0, fmt.Errorf("%s=%q: write a number, 1000 at least", routesEnv, s)
			}
		}
		return run.Play(m)
	})
}

// newLab returns a lab for a test that needs these programs besides ip. The rows run
// beside each other, except in `make faults`, which measures time.
func newLab(t *testing.T, programs ...string) *lab.Lab {
	t.Helper()
	if routes < fullRoutes {
		t.Parallel()
	}
	if os.Geteuid() != 0 {
		t.Skip("not root: the fault matrix makes network namespaces")
	}
	lab.Need(t, append(programs, "ip")...)
	return lab.New(t, run)
}

// measured prints what a row measured, for the matrix.
func measured(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf("measured: "+format, args...)
}

// promised prints a measured time beside the promise. A late one is no failure of
// the test, whose machine may be busy; the matrix shows it as what it is.
func promised(t testing.TB, what string, took, promise time.Duration) {
	t.Helper()
	verdict := "kept"
	if took > promise {
		verdict = "late"
	}
	t.Logf("measured: %s: %s, promised %s: %s", what, round(took), round(promise), verdict)
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
