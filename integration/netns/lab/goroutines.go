package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// profiles is where a daemon serves Go's profiles, in its own namespace.
const profiles = "127.0.0.1:6060"

// Profiled is what a daemon whose goroutines are to be counted is started with.
var Profiled = []string{"--pprof", profiles}

// Goroutines are the goroutines of a program: how many begin in each function of the
// module, and how many there are in all, the libraries' among them.
type Goroutines struct {
	Ours   map[string]int
	Others map[string]int // those that begin in a library's function, for who reads a failure
	Total  int
}

func (d *Daemon) goroutines() (Goroutines, error) {
	client := http.Client{Timeout: Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = d.ns.Enter(func() (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, err
		},
	}}
	answer, err := client.Get("http://" + profiles + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return Goroutines{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return Goroutines{}, err
	}
	return parseGoroutines(string(text))
}

// anyFrame is a line of a stack.
var anyFrame = regexp.MustCompile(`^#\t0x[0-9a-f]+\t(\S+?)\+0x`)

// ourFrame is a line of a stack, with a function of the module.
var ourFrame = regexp.MustCompile(`^#\t0x[0-9a-f]+\t((?:github\.com/vrfredist/vrfredist/|main\.)\S+?)\+0x`)

// parseGoroutines reads a goroutine profile as text: after a first line, for each
// stack a line with how many have it, and a line for each frame, the innermost first.
func parseGoroutines(profile string) (Goroutines, error) {
	g := Goroutines{Ours: make(map[string]int), Others: make(map[string]int)}
	if _, err := fmt.Sscanf(profile, "goroutine profile: total %d", &g.Total); err != nil {
		return g, fmt.Errorf("no goroutine profile: %w: %.100q", err, profile)
	}
	for _, stack := range strings.Split(profile, "\n\n") {
		count, begins, outer := 0, "", ""
		for _, line := range strings.Split(stack, "\n") {
			if n, _, ok := strings.Cut(line, " @ 0x"); ok {
				count, _ = strconv.Atoi(n)
			}
			if m := ourFrame.FindStringSubmatch(line); m != nil {
				begins = m[1]
			}
			if m := anyFrame.FindStringSubmatch(line); m != nil {
				outer = m[1]
			}
		}
		switch {
		case begins != "" && count > 0:
			g.Ours[begins] += count
		case outer != "":
			g.Others[outer] += count
		}
	}
	if len(g.Ours) == 0 {
		return g, fmt.Errorf("a goroutine profile without one goroutine of ours: %.300q", profile)
	}
	return g, nil
}

// Leaked says what there is in now and was not in before; "": nothing.
func (before Goroutines) Leaked(now Goroutines) string {
	var more []string
	for _, f := range slices.Sorted(maps.Keys(now.Ours)) {
		if now.Ours[f] > before.Ours[f] {
			more = append(more, fmt.Sprintf("%s: %d, and %d before", f, now.Ours[f], before.Ours[f]))
		}
	}
	if now.Total > before.Total {
		more = append(more, fmt.Sprintf("%d goroutines in all, and %d before", now.Total, before.Total))
		for _, f := range slices.Sorted(maps.Keys(now.Others)) {
			if now.Others[f] > before.Others[f] {
				more = append(more, fmt.Sprintf("of a library: %s: %d, and %d before", f, now.Others[f], before.Others[f]))
			}
		}
	}
	return strings.Join(more, "; ")
}

// Goroutines returns those of a daemon that was started with Profiled, once they are
// at rest: the same in three looks one after the other.
func (d *Daemon) Goroutines() (rest Goroutines) {
	d.ns.lab.T.Helper()
	looks := 0
	WaitFor(d.ns.lab.T, "goroutines at rest", Patience, func() string {
		now, err := d.goroutines()
		if err != nil {
			d.ns.lab.T.Fatalf("count the daemon's goroutines: %v", err)
		}
		if now.Total != rest.Total || !maps.Equal(now.Ours, rest.Ours) {
			looks, rest = 0, now
			return fmt.Sprint(now)
		}
		if looks++; looks < 3 {
			return "once more"
		}
		return ""
	})
	return rest
}

// GoroutinesBack waits until no goroutine is left that was not there before.
func (d *Daemon) GoroutinesBack(before Goroutines, limit time.Duration) (now Goroutines) {
	d.ns.lab.T.Helper()
	WaitFor(d.ns.lab.T, "goroutines end", limit, func() (missing string) {
		var err error
		if now, err = d.goroutines(); err != nil {
			return err.Error()
		}
		return before.Leaked(now)
	})
	return now
}
