package service_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestSystemCallsOfTheUnit traces the daemon at its work, and holds the system
// calls that it makes against those that the unit allows, and the sockets too:
// a unit that was too narrow would fail where it runs alone.
func TestSystemCallsOfTheUnit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces need it")
	}
	lab.Need(t, "ip", "strace", "systemd-analyze")
	run.Daemon = shipped(t)
	l := lab.New(t, run)
	rtr, red := l.Namespace("rtr"), l.Namespace("red")
	rtr.Sysctl("ipv4.nexthop_compat_mode", "1")
	trace := filepath.Join(l.Dir, "trace")
	// -D: the daemon is the process that was started, not strace.
	d := rtr.DaemonAs([]string{"strace", "-D", "-f", "-qq", "-o", trace}, strings.ReplaceAll(rightsConfig+inNamespace, "RED", red.Name)+`
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 65101
    auth-password = "secret"
`)
	lab.WaitEqual(t, "red", "ready", func() string { return state(d, "red").State })
	late := l.Namespace("late")
	d.Reload(strings.ReplaceAll(rightsConfig+inNamespace, "RED", late.Name))
	lab.WaitEqual(t, "red elsewhere", "ready", func() string { return state(d, "red").State })
	d.Do("redistribution", "enable", "export", "--vrf", "red")
	d.Do("doctor")
	d.Signal(syscall.SIGHUP)
	lab.WaitFor(t, "a reload by signal", lab.Patience, func() string {
		if n := strings.Count(d.Output(), "the configuration was reloaded"); n < 2 {
			return d.Output()
		}
		return ""
	})
	d.Stop()

	allowed, families := allowedCalls(t), given(t, "RestrictAddressFamilies")
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	socket := regexp.MustCompile(`^socket(?:pair)?\((AF_[A-Z0-9]+)`)
	for line := range strings.Lines(string(b)) {
		_, call, _ := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		name, _, isCall := strings.Cut(call, "(")
		if !isCall || strings.ContainsAny(name, " <+-?") {
			continue // the rest of a call, an end, or a thread that ended before strace saw which call it is in
		}
		if m := socket.FindStringSubmatch(call); m != nil && !slices.Contains(families, m[1]) {
			t.Errorf("the unit does not allow sockets of %s: %s", m[1], call)
		}
		if !seen[name] && !allowed[name] {
			t.Errorf("the unit does not allow %s: %s", name, call)
		}
		seen[name] = true
	}
	if !seen["setns"] || !seen["bind"] || len(seen) < 30 {
		t.Errorf("the trace has %d system calls, and lacks what the daemon must do: %v", len(seen), seen)
	}
}

// given are the words that the unit gives a key, over all its lines.
func given(t *testing.T, key string) []string {
	t.Helper()
	return strings.Fields(strings.Join(lines(t, key), " "))
}

// lines are the values that the unit gives a key.
func lines(t *testing.T, key string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(systemdDir, "vrfredist.service"))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// allowedCalls are the system calls that the unit's filter lets through. A word
// after ~ takes away, for the rest of its line.
func allowedCalls(t *testing.T) map[string]bool {
	t.Helper()
	sets := make(map[string][]string)
	name := ""
	for line := range strings.Lines(must(t, "systemd-analyze", "--no-pager", "syscall-filter")) {
		word := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "@"):
			name = word
		case word != "" && word[0] != '#':
			sets[name] = append(sets[name], word)
		}
	}
	allowed := make(map[string]bool)
	var mark func(word string, yes bool)
	mark = func(word string, yes bool) {
		if word[0] != '@' {
			allowed[word] = yes
		}
		for _, w := range sets[word] {
			mark(w, yes)
		}
	}
	for _, line := range lines(t, "SystemCallFilter") {
		rest, minus := strings.CutPrefix(line, "~")
		for _, word := range strings.Fields(rest) {
			mark(word, !minus)
		}
	}
	mark("@default", true) // systemd always allows them
	if !allowed["setns"] || !allowed["fchownat"] || allowed["mount"] || allowed["chroot"] {
		t.Fatalf("the unit's filter is not read rightly: %v", allowed)
	}
	return allowed
}
