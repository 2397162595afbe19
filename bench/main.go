// Command bench runs vrfredist, BIRD and FRR on the same input in the same run,
// in network namespaces of its own, and writes what it measured to results.json
// and, rendered from that, to RESULTS.md and a chart.
//
//	make bench          the whole of it, some two hours
//	make bench-quick    small and once, to see that all of it works
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// work is one run of the benchmarks.
type work struct {
	results
	programs
	sizes
	tunings bool // compare settings, and nothing else
	seed    uint64
	run     *lab.Run
	links   int
}

func main() {
	// On a signal the scenario that plays is broken off, and cleaned up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func bench(ctx context.Context) error {
	w := &work{run: &lab.Run{Protocol: protocol}}
	out := flag.String("out", "bench", "`DIRECTORY` for results.json, RESULTS.md and the chart")
	flag.StringVar(&w.daemon, "daemon", "bin/vrfredist", "the vrfredist `PROGRAM`")
	flag.StringVar(&w.gobgpd, "gobgpd", "bin/gobgpd", "the gobgpd `PROGRAM` to compare with")
	flag.Float64Var(&w.Scale, "scale", 1, "`FACTOR` for the sizes of everything")
	flag.IntVar(&w.Runs, "runs", 3, "how often everything is measured; medians count")
	flag.Uint64Var(&w.seed, "seed", 1, "of the generated tables")
	only := flag.String("only", "", "`REGEXP` of the scenarios to run, as -list names them")
	flag.BoolVar(&w.tunings, "tuning", false, "compare settings of vrfredist, and nothing else")
	list := flag.Bool("list", false, "name the scenarios")
	render := flag.Bool("render", false, "render RESULTS.md and the chart from results.json, and measure nothing")
	flag.StringVar(&w.cpuProfile, "cpuprofile", "", "`FILE` for a CPU profile of vrfredist over the session scenario, a growth, the import, tenants that come and go, or of each way in encap (FILE.vxlan)")
	limit := flag.Duration("limit", 4*time.Hour, "for the whole run")
	announce := flag.String("announce", "", "internal: announce with GoBGP's configuration in `FILE`")
	count := flag.Int("prefixes", 0, "internal: how many to announce")
	neighbour := flag.String("speak", "", "internal: send a table as `ORDER` says")
	flag.Var(&w.origins, "root", "`NAME=FOLDER`: the folder of a system with \"BIRD 3\" or \"FRR 10\", instead of what Debian has")
	flag.Parse()
	if *neighbour != "" {
		return speak(ctx, *neighbour)
	}
	if *announce != "" {
		return announceAlone(ctx, *announce, *count, w.seed)
	}
	if *render {
		return renderAgain(*out)
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if *list {
		for _, s := range w.scenarios() {
			fmt.Println(s.name)
		}
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("the run took longer than -limit, %v", *limit))
	defer cancel()
	if err := w.prepare(ctx, chosen); err != nil {
		return err
	}
	err = w.measure(ctx, chosen)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return err // interrupted: the results of before stay
	}
	return errors.Join(err, w.write(*out))
}

// renderAgain renders what an earlier run measured.
func renderAgain(dir string) error {
	r, err := readResults(dir)
	if err != nil {
		return err
	}
	return r.render(dir)
}

func (w *work) prepare(ctx context.Context, chosen *regexp.Regexp) error {
	if os.Geteuid() != 0 {
		return errors.New("run the benchmarks as root: they make network namespaces")
	}
	if err := lab.SweepLeftovers(); err != nil {
		return err
	}
	for _, program := range []*string{&w.daemon, &w.gobgpd} {
		path, err := filepath.Abs(*program) // what runs in a lab has the lab's directory
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: build it first, as `make bench` does", err)
		}
		*program = path
	}
	w.run.Daemon = w.daemon
	w.sizes = sizesAt(w.Scale, w.seed)
	w.IPv4, w.IPv6 = len(w.v4), len(w.v6)
	findRivals(ctx, w, chosen)
	return w.describe(w.versions())
}

// versions are those of the receivers that play.
func (w *work) versions() map[string]string {
	list := make(map[string]string)
	for _, name := range append(w.rivals(), bird) { // the sender is BIRD whoever receives
		if _, newer := w.origins[name]; !newer && name != language(name) {
			continue // it does not play
		}
		if version, err := w.version(name); err == nil {
			list[name] = version
		}
	}
	return list
}

// scenario is one thing to run, as often as there are runs.
type scenario struct {
	name string
	play func(*stage, *sender)
	// sender tells whether it needs the sender with its whole table.
	sender bool
	once   bool // in the first run alone
}

func (w *work) scenarios() (list []scenario) {
	if w.tunings {
		for _, by := range settings(w.daemon) {
			list = append(list, scenario{name: "tuning: " + by.name, play: func(t *stage, s *sender) { tuning(w, t, s, by) }, sender: true})
		}
		return list
	}
	// In turn, so that what the machine does meanwhile hits all alike.
	for _, name := range slices.Concat([]string{alone, ours}, w.rivals(), []string{exportOff}) {
		list = append(list, scenario{name: "load: " + name, play: func(t *stage, s *sender) { load(w, t, s, name) }, sender: true})
	}
	for _, name := range slices.Concat([]string{ours}, w.rivals(), []string{alone}) {
		list = append(list, scenario{name: "session of IPv6: " + name, play: func(t *stage, s *sender) {
			r := w.receive(newRouter(t, w, s.ns), name, options{export: true})
			(&loaded{w, r, s}).session(true)
			r.stop()
		}, sender: true})
	}
	for _, name := range append([]string{ours}, w.rivals()...) {
		list = append(list, scenario{name: "beside a full table: " + name, play: func(t *stage, s *sender) { beside(w, t, s, name) }, sender: true})
	}
	list = append(list, scenario{name: "guard", play: func(t *stage, s *sender) { guard(w, t, s) }, sender: true, once: true})
	list = append(list, scenario{name: "policy", play: func(t *stage, s *sender) { policies(w, t, s) }, sender: true, once: true})
	list = append(list, scenario{name: "advertise", play: func(t *stage, s *sender) { advertising(w, t, s) }, sender: true, once: true})
	list = append(list, scenario{name: "memory", play: func(t *stage, s *sender) { memory(w, t, s) }, sender: true, once: true})
	list = append(list, scenario{name: memoryOfContainer, play: func(t *stage, s *sender) { smallContainer(w, t, s) }, sender: true, once: true})
	list = append(list, oneScenario(memoryOfPaths, true, func(t *stage) { furtherPaths(w, t) }))
	list = append(list, scenario{name: "operator", play: func(t *stage, s *sender) { operator(w, t, s) }, sender: true, once: true})
	list = append(list, oneScenario(callsOfRoutes, true, func(t *stage) { callsWithRoutes(w, t) }))
	list = append(list, scenario{name: callsOfVRFs, play: func(t *stage, s *sender) { callsWithVRFs(w, t, s) }, sender: true, once: true})
	for _, name := range append([]string{ours}, w.rivals()...) {
		list = append(list, w.takeovers(name)...)
	}
	for _, name := range append([]string{pathStream, ours}, w.rivals()...) {
		list = append(list, scenario{name: "import: " + name, play: func(t *stage, _ *sender) { imports(w, t, name) }})
	}
	for _, n := range []int{0, 1, w.shared} {
		list = append(list, scenario{name: fmt.Sprintf("ip -batch beside %d VRFs", n), play: func(t *stage, _ *sender) { tenants(w, t, n) }})
	}
	list = append(list, oneScenario(newcomerScenario, true, func(t *stage) { newcomer(w, t) }))
	list = append(list, oneScenario(churnScenario, true, func(t *stage) { churn(w, t) }))
	list = append(list, scenario{name: "VRFs", play: func(t *stage, _ *sender) { manyVRFs(w, t) }})
	return append(append(list, growthScenarios(w)...), w.betweenMachines()...)
}

// betweenMachines are the scenarios of VRFs whose packets go to other PEs by VXLAN.
func (w *work) betweenMachines() []scenario {
	list := []scenario{
		{name: encapScenario, play: func(t *stage, _ *sender) { encapsulated(w, t) }},
		oneScenario(vtepsScenario, true, func(t *stage) { manyPEs(w, t) }),
	}
	for _, by := range ways() {
		if by == mplsWay {
			list = append(list, oneScenario(underlayScenario, true, func(t *stage) { labelledFailover(w, t) }))
		}
		if by.encap != "" {
			list = append(list, oneScenario(numberedScenario(by), true, func(t *stage) { manyNumbered(w, t, by) }))
		}
	}
	for _, n := range w.targets {
		list = append(list, oneScenario(fmt.Sprintf("%s: %d", membershipsScenario, n), true, func(t *stage) { memberships(w, t, n) }))
	}
	for _, n := range w.fabricPEs {
		list = append(list, oneScenario("fabric of "+fabricOf(n), true, func(t *stage) { grown(w, t, n) }))
	}
	return list
}

// measure plays every scenario as often as asked. One that fails is noted, and
// the others are played.
func (w *work) measure(ctx context.Context, chosen *regexp.Regexp) error {
	var failures []error
	for round := range w.Runs {
		err := run(ctx, func(t *stage) {
			var s *sender
			for _, sc := range w.scenarios() {
				if !chosen.MatchString(sc.name) || ctx.Err() != nil || sc.once && round > 0 {
					continue
				}
				if sc.sender && s == nil {
					progress("run %d: the sender loads %d and %d prefixes", round+1, len(w.v4), len(w.v6))
					s = newSender(t, w)
				}
				progress("run %d: %s", round+1, sc.name)
				if err := run(ctx, func(t *stage) { sc.play(t, s) }); err != nil {
					progress("failed: %v", err)
					failures = append(failures, fmt.Errorf("run %d: %s: %w", round+1, sc.name, err))
				}
			}
		})
		failures = append(failures, err)
	}
	if ctx.Err() != nil {
		failures = append(failures, context.Cause(ctx))
	}
	return errors.Join(failures...)
}

var started = time.Now()

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}
