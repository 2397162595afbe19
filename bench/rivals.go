package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of receivers that are not the packages of this host.
const (
	bird3 = "BIRD 3"
	frr10 = "FRR 10"
)

// roots are folders with another version of a receiver each, as a package's system has
// it: a Debian of a later suite, by mmdebstrap. By the receiver's name.
type roots map[string]string

// String implements flag.Value.
func (r roots) String() string { return "" }

// Set implements flag.Value: NAME=FOLDER.
func (r *roots) Set(text string) error {
	name, folder, found := strings.Cut(text, "=")
	if l := language(name); !found || folder == "" || name == l || l != bird && l != frr {
		return fmt.Errorf("%q: write NAME=FOLDER, with a NAME like %q or %q", text, bird3, frr10)
	}
	if *r == nil {
		*r = make(roots)
	}
	(*r)[name] = folder
	return nil
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

// rivals are the receivers that vrfredist is compared with: this host's, and those that
// have a root of their own.
func (p programs) rivals() []string {
	list := []string{bird, frr}
	for _, name := range []string{bird3, frr10} {
		if _, there := p.roots[name]; there {
			list = append(list, name)
		}
	}
	return list
}

// inRoot returns what stands before a command line of the receiver, and has its root show
// the lab's directory, and /proc, where FRR reads the settings of its namespace.
func (p programs) inRoot(r *receiver) []string {
	root, there := p.roots[r.name]
	if !there {
		return nil
	}
	within := filepath.Join(root, r.lab.Dir)
	r.t.must(os.MkdirAll(within, 0o755))
	r.t.Cleanup(func() { _ = os.Remove(within) }) // where the root is the host's, it is the lab's, and full
	bind(r.t, r.lab.Dir, within)
	bind(r.t, "/proc", filepath.Join(root, "proc"))
	return []string{"chroot", root}
}

// bind shows a folder at another place too, until the scenario has ended.
func bind(t *stage, folder, place string) {
	if out, err := exec.Command("mount", "--bind", folder, place).CombinedOutput(); err != nil {
		t.Fatalf("show %s as %s: %v: %s", folder, place, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", place).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", place, err, out)
		}
	})
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
	if in := p.inRoot(r); in != nil {
		file := r.lab.File("bird.conf", text)
		r.t.must(os.Chmod(file, 0o644))
		r.start(r.name, slices.Concat(in, []string{"/usr/sbin/bird", "-f", "-c", file, "-s", filepath.Join(r.lab.Dir, "bird.ctl")})...)
		return
	}
	b := r.ns.BIRD(text)
	r.procs = append(r.procs, b.Process)
	r.birdc = func(command string) { b.Show(command) }
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
	in := p.inRoot(r)
	start := func(name, file string) {
		r.start(name, slices.Concat(in, []string{"/usr/lib/frr/" + name, "-f", file}, common(name))...)
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
			crashes, _ := filepath.Glob(filepath.Join(p.roots[r.name], fmt.Sprintf("/var/tmp/frr/*.%d", process.PID())))
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
		if out, err := exec.Command("vtysh", args...).CombinedOutput(); err != nil || strings.Contains(string(out), "%") {
			r.t.Fatalf("vtysh: %v: %s", err, out)
		}
	}
}
