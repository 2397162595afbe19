package faults_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// trap is a prefix over which the worker of the program under test panics.
const trap = "203.0.113.66/32"

// withTrap builds the program as it is, but for one statement in the function that
// takes a worker's events in. The product has no such place: the compiler is given
// another text for that one file. A program that is given (lab.DaemonEnv) does not do.
func withTrap(t *testing.T, dir string) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "nsworker", "events.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const place = "func (s *tableSync) onKernel(ev rib.KernelEvents) {\n"
	if strings.Count(string(text), place) != 1 {
		t.Fatalf("%s has no function %q any longer: choose another place for the panic", file, place)
	}
	other := filepath.Join(dir, "events.go")
	overlay := filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: other}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		overlay: string(replace),
		other: strings.Replace(string(text), place, place+
			"\tfor _, e := range ev.Routes {\n\t\tif e.Route.Prefix.String() == \""+trap+"\" {\n\t\t\tpanic(\"injected\")\n\t\t}\n\t}\n", 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "trapped")
	build := exec.Command("go", "build", "-pgo=off", "-overlay", overlay, "-o", program, "./cmd/vrfredist")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build vrfredist with a panic in it: %v\n%s", err, out)
	}
	return program
}

// The worker of one tenant panics, on the real kernel: its routes stay as they are, it
// starts again and writes none of them, and the other tenant's worker does its work.
func TestFault06PanicInOneWorker(t *testing.T) {
	const n = 1000
	y := newTenancy(t, 2)
	program := withTrap(t, t.TempDir())
	falls, stays := y.tenants[0], y.tenants[1]
	y.bird.Reconfigure(vpnConfig(vpnRoutes("t0", "65100:1", 0, prefixes4(n)...) + vpnRoutes("t1", "65100:2", 1, prefixes4(n)...)))
	y.daemon = y.rtr.DaemonAs([]string{"sh", "-c", `shift; exec "$0" "$@"`, program}, y.config())
	there, here := oracle.New(t, falls.ns, run.Protocol), oracle.New(t, stays.ns, run.Protocol)
	there.Wait(lab.Main, by(prefixes4(n), leg1), limit())
	here.Wait(lab.Main, by(prefixes4(n), leg1), limit())
	for _, tenant := range y.tenants {
		y.waitVRF(tenant, "ready", inState("ready"))
	}
	foreign, foreignHere := there.Foreign(), here.Foreign()
	mark := falls.ns.Mark()

	for range 3 {
		falls.ns.Batch("route add blackhole "+trap+" proto static", "route del blackhole "+trap)
		y.waitVRF(falls, "failed", func(v *vrfredistv1.Vrf) bool {
			return v.GetState() == "failed" && strings.Contains(v.GetReason(), "injected")
		})
		began := time.Now()
		stays.ns.IP("route", "del", prefix4(0), "proto", "179")
		here.Wait(lab.Main, by(prefixes4(n), leg1), limit())
		promised(t, "a route of the other tenant that somebody deleted is back", time.Since(began), 500*time.Millisecond)
		y.waitVRF(falls, "ready", inState("ready"))
	}
	lab.Equal(t, "route messages of the routes whose worker panicked", 0, len(falls.ns.Since(mark)))
	there.Wait(lab.Main, by(prefixes4(n), leg1), limit())
	there.WaitForeign(foreign)
	here.WaitForeign(foreignHere)
	for tenant, want := range map[*tenant]int32{falls: 3, stays: 0} {
		v, err := statusOf(y.daemon, tenant.name())
		if err != nil {
			t.Fatal(err)
		}
		lab.Equal(t, "restarts of the worker of "+tenant.name(), want, v.GetRestarts())
	}
	y.onlyAtHome()
}
