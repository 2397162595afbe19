package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Daemon is vrfredist, running in a namespace.
type Daemon struct {
	*Process
	ns      *Namespace
	config  string // the path of its configuration
	state   string // its state directory
	socket  string
	starter []string // a command line before the daemon's own; none: it is started itself
	// Temp is the daemon's temporary directory, and nobody else's.
	Temp string
	// More is what follows on its command line at each start from now on.
	More []string
}

// Write replaces the daemon's configuration file.
func (d *Daemon) Write(config string) {
	d.ns.lab.T.Helper()
	d.ns.lab.File(strings.TrimPrefix(d.config, d.ns.lab.Dir), config+fmt.Sprintf("\n[netlink.api]\n  listen = [%q]\n", d.Target()))
}

// Kept is what a file of the daemon's state directory has; "": there is none.
func (d *Daemon) Kept(name string) string {
	d.ns.lab.T.Helper()
	has, err := os.ReadFile(filepath.Join(d.state, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		d.ns.lab.T.Fatal(err)
	}
	return string(has)
}

// Forget removes what the daemon has kept in its state directory.
func (d *Daemon) Forget() {
	d.ns.lab.T.Helper()
	if err := errors.Join(os.RemoveAll(d.state), os.MkdirAll(d.state, 0o755)); err != nil {
		d.ns.lab.T.Fatalf("empty the state directory: %v", err)
	}
}

// File is the path of the daemon's configuration.
func (d *Daemon) File() string { return d.config }

// Target is the daemon's address, as gRPC programs want it.
func (d *Daemon) Target() string { return "unix://" + d.socket }

// Start starts the daemon, again where it has ended, and waits until it
// answers. More of its command line may follow.
func (d *Daemon) Start(more ...string) {
	d.ns.lab.T.Helper()
	d.Launch(more...)
	d.Answers()
}

// Answers waits until the daemon that was launched answers.
func (d *Daemon) Answers() {
	d.ns.lab.T.Helper()
	WaitFor(d.ns.lab.T, "vrfredist answers", 3*Patience, func() string {
		if !d.Running() {
			d.ns.lab.T.Fatalf("vrfredist ended: %v", d.Wait(Patience))
		}
		if out, err := d.Try("vrf"); err != nil {
			return err.Error() + ": " + out
		}
		return ""
	})
}

// Launch is Start, and does not wait.
func (d *Daemon) Launch(more ...string) {
	d.ns.lab.T.Helper()
	argv := append([]string{"env", "TMPDIR=" + d.Temp}, d.starter...)
	argv = append(argv, d.ns.lab.Run.Daemon, "run", "-f", d.config, "--state-dir", d.state)
	d.Process = d.ns.Start("vrfredist", slices.Concat(argv, d.More, more)...)
}

// Stop ends the daemon as a service manager does.
func (d *Daemon) Stop() {
	d.ns.lab.T.Helper()
	d.Signal(syscall.SIGTERM)
	if err := d.Wait(Patience); err != nil && !d.gobgpRaces(err) {
		d.ns.lab.T.Errorf("vrfredist did not end well on SIGTERM: %v", err)
	}
}

// Try runs the vrfredist program as a client of the daemon and returns what it
// prints, on both outputs.
func (d *Daemon) Try(args ...string) (string, error) {
	cmd := exec.Command(d.ns.lab.Run.Daemon, append([]string{"--api", d.Target()}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Do is Try, and fails the test where the program fails.
func (d *Daemon) Do(args ...string) string {
	d.ns.lab.T.Helper()
	out, err := d.Try(args...)
	if err != nil {
		d.ns.lab.T.Fatalf("vrfredist %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// JSON runs a command with --json and reads what it prints into a value.
func (d *Daemon) JSON(into any, args ...string) {
	d.ns.lab.T.Helper()
	out := d.Do(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		d.ns.lab.T.Fatalf("vrfredist %s --json: %v: %s", strings.Join(args, " "), err, out)
	}
}

// RouteState is what `route --json` says of one route, as far as tests ask.
type RouteState struct {
	Prefix, State, Reason string
	RD, Source            string
	Label                 int
}

// RouteStates returns what `route import|export --json` prints: a JSON document
// for each route.
func (d *Daemon) RouteStates(args ...string) []RouteState {
	d.ns.lab.T.Helper()
	out := d.Do(append(append([]string{"route"}, args...), "--json")...)
	var routes []RouteState
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var r RouteState
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return routes
		} else if err != nil {
			d.ns.lab.T.Fatalf("vrfredist route %v --json: %v: %s", args, err, out)
		}
		routes = append(routes, r)
	}
}

// Reload writes a configuration and has the daemon apply it.
func (d *Daemon) Reload(config string) string {
	d.ns.lab.T.Helper()
	d.Write(config)
	return d.Do("reload")
}

// GoBGP runs the stock gobgp client against the daemon.
func (d *Daemon) GoBGP(args ...string) (string, error) {
	out, err := exec.Command("gobgp", append([]string{"--target", d.Target()}, args...)...).CombinedOutput()
	return string(out), err
}
