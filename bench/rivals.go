package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/integration/peers"
)

// Names of receivers that are not the packages of this host.
const (
	bird3 = "BIRD 3"
	frr10 = "FRR 10"
)

// allRivals are all receivers that vrfredist is compared with.
var allRivals = []string{bird, frr, bird3, frr10}

// origins are where receivers come from that are not this host's, by their names.
type origins map[string]peers.Programs

// String implements flag.Value.
func (o origins) String() string { return "" }

// Set implements flag.Value: NAME=FOLDER.
func (o *origins) Set(text string) error {
	name, folder, found := strings.Cut(text, "=")
	if l := language(name); !found || folder == "" || name == l || l != bird && l != frr {
		return fmt.Errorf("%q: write NAME=FOLDER, with a NAME like %q or %q", text, bird3, frr10)
	}
	from, err := peers.In(folder)
	if err != nil {
		return err
	}
	o.add(name, from)
	return nil
}

func (o *origins) add(name string, from peers.Programs) {
	if *o == nil {
		*o = make(origins)
	}
	(*o)[name] = from
}

// language is the receiver whose configuration one of this name reads.
func language(name string) string {
	switch {
	case name == exportOff:
		return ours
	case strings.HasPrefix(name, bird):
		return bird
	case strings.HasPrefix(name, frr):
		return frr
	}
	return name
}

// origin is where a receiver's programs come from.
func (p programs) origin(name string) peers.Programs {
	if from, there := p.origins[name]; there {
		return from
	}
	return peers.Host()
}

// version is what a receiver says of itself.
func (p programs) version(name string) (string, error) {
	program := "bird"
	if language(name) == frr {
		program = "zebra"
	}
	version, err := p.origin(name).Version(program)
	return language(name) + " " + version, err
}

// lacks says which of a receiver's programs is not there; nil: all are.
func lacks(from peers.Programs, name string) (err error) {
	needed := []string{"bird", "birdc"}
	if language(name) == frr {
		needed = []string{"zebra", "bgpd", "vtysh"}
	}
	for _, program := range needed {
		err = errors.Join(err, from.Lacks(program))
	}
	return err
}

// findRivals looks for the programs of all receivers that the chosen scenarios need, and
// fetches the newest of Debian. What cannot be had is left out, and named.
func findRivals(ctx context.Context, w *work, chosen *regexp.Regexp) {
	played := func(name string) bool {
		return slices.ContainsFunc(w.scenarios(), func(s scenario) bool {
			return chosen.MatchString(s.name) && strings.HasSuffix(s.name, ": "+name)
		})
	}
	newest := sync.OnceValues(func() (peers.Programs, error) { return peers.Fetch(ctx, progress) })
	for _, name := range slices.DeleteFunc(slices.Clone(allRivals), func(name string) bool { return !played(name) }) {
		_, given := w.origins[name]
		from, err := w.origin(name), error(nil)
		if name != language(name) && !given {
			if from, err = newest(); err == nil {
				w.origins.add(name, from)
			}
		}
		if err == nil {
			err = lacks(from, name)
		}
		if err != nil {
			progress("%s is LEFT OUT: %v", name, err)
			w.LeftOut = append(w.LeftOut, name)
		}
	}
}

func birdConfig() string {
	return fmt.Sprintf(`router id 10.0.0.1;
protocol device { }
protocol direct { ipv4; ipv6; }
protocol kernel kernel4 { learn; ipv4 { import all; export where source = RTS_BGP; }; }
protocol kernel kernel6 { learn; ipv6 { import all; export where source = RTS_BGP; }; }
template bgp neighbour { local 10.0.0.1 as %[1]d; passive; ipv4 { import all; export where source = RTS_INHERIT; next hop self; }; }
protocol bgp full4 from neighbour { neighbor 10.0.0.2 as %[1]d; }
protocol bgp exact from neighbour { neighbor 10.0.0.3 as %[1]d; }
protocol bgp full6 { local fd00::1 as %[1]d; neighbor fd00::2 as %[1]d; passive; ipv6 { import all; export none; }; }
`, as)
}

func (p programs) startBIRD(r *receiver, o options) {
	text := o.config
	if text == "" {
		text = birdConfig()
	}
	file, control := r.lab.File("bird.conf", text), filepath.Join(r.lab.Dir, "bird.ctl")
	from := p.origin(r.name)
	r.start(r.name, from.Command("bird", "-f", "-c", file, "-s", control)...)
	r.birdc = func(command string) {
		argv := from.Command("birdc", append([]string{"-s", control}, strings.Fields(command)...)...)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			r.t.Fatalf("birdc %s: %v: %s", command, err, out)
		}
	}
}

func frrConfig() string {
	return fmt.Sprintf(`router bgp %[1]d
 bgp router-id 10.0.0.1
 neighbor 10.0.0.2 remote-as %[1]d
 neighbor 10.0.0.2 passive
 neighbor 10.0.0.3 remote-as %[1]d
 neighbor 10.0.0.3 passive
 neighbor fd00::2 remote-as %[1]d
 neighbor fd00::2 passive
 address-family ipv6 unicast
  neighbor fd00::2 activate
 exit-address-family
`, as)
}

func (p programs) startFRR(r *receiver, o options) {
	text := o.config
	if text == "" {
		text = frrConfig()
	}
	dir := filepath.Join(r.lab.Dir, "frr")
	r.t.must(os.Mkdir(dir, 0o755))
	r.t.must(os.Chmod(dir, 0o777)) // both give up root for a user of their own
	zebra := r.lab.File("frr/zebra.conf", "no ipv6 forwarding\n")
	bgpd := r.lab.File("frr/bgpd.conf", text)
	common := func(name string) []string {
		return []string{"-P", "0", "--vty_socket", dir, "-i", filepath.Join(dir, name+".pid"),
			"-z", filepath.Join(dir, "zserv.api"), "--log", "file:/dev/null"}
	}
	r.t.must(errors.Join(os.Chmod(zebra, 0o644), os.Chmod(bgpd, 0o644)))
	from := p.origin(r.name)
	start := func(name, file string) {
		r.start(name, from.Command(name, append([]string{"-f", file}, common(name)...)...)...)
	}
	start("zebra", zebra)
	r.t.until("zebra serves", 20*time.Second, 10*time.Millisecond, func() bool {
		_, err := os.Stat(filepath.Join(dir, "zserv.api"))
		return err == nil
	})
	start("bgpd", bgpd)
	// Both prepare a directory for the story of a crash, and leave it where they
	// are killed.
	for _, process := range r.procs {
		r.t.Cleanup(func() {
			process.Kill()
			crashes, _ := filepath.Glob(fmt.Sprintf("/var/tmp/frr/*.%d", process.PID()))
			for _, c := range crashes {
				r.t.must(os.RemoveAll(c))
			}
		})
	}
	r.vty = func(lines string) {
		args := []string{"--vty_socket", dir, "-c", "configure terminal"}
		for _, line := range strings.Split(lines, "\n") {
			args = append(args, "-c", line)
		}
		argv := from.Command("vtysh", args...)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil || strings.Contains(string(out), "%") {
			r.t.Fatalf("vtysh: %v: %s", err, out)
		}
	}
}
