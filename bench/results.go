package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// results is what results.json holds.
type results struct {
	Date     string            `json:"date"`
	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`
	Scale    float64           `json:"scale"`
	Runs     int               `json:"runs"`
	IPv4     int               `json:"ipv4_prefixes"`
	IPv6     int               `json:"ipv6_prefixes"`
	LeftOut  []string          `json:"left_out,omitempty"` // receivers that could not be had
	Figures  []*figure         `json:"figures"`
}

// figure is one measured quantity, with the value of every run.
type figure struct {
	Scenario string    `json:"scenario"`
	Subject  string    `json:"subject"`
	Quantity string    `json:"quantity"`
	Values   []float64 `json:"values"`
	Median   float64   `json:"median"`
}

// note adds the value of one run.
func (r *results) note(scenario, subject, quantity string, value float64) {
	progress("        %s: %s: %s %s", scenario, subject, format(value), quantity)
	f := r.find(scenario, subject, quantity)
	if f == nil {
		f = &figure{Scenario: scenario, Subject: subject, Quantity: quantity}
		r.Figures = append(r.Figures, f)
	}
	f.Values = append(f.Values, value)
	f.Median = median(f.Values)
}

func (r *results) find(scenario, subject, quantity string) *figure {
	for _, f := range r.Figures {
		if f.Scenario == scenario && f.Subject == subject && f.Quantity == quantity {
			return f
		}
	}
	return nil
}

// value is the median of a figure, and whether it was measured.
func (r *results) value(scenario, subject, quantity string) (float64, bool) {
	f := r.find(scenario, subject, quantity)
	if f == nil {
		return 0, false
	}
	return f.Median, true
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// percentile is by the nearest rank.
func percentile(values []float64, p int) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[max(0, (len(s)*p+99)/100-1)]
}

// describe notes where and with what the run is made. receivers are the versions of those.
func (r *results) describe(receivers map[string]string) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	cpu := "CPU of an unknown kind"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(data), "\n") {
			if rest, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(rest, "\t :"))
				break
			}
		}
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	memory := float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	r.Date = time.Now().UTC().Format(time.DateOnly)
	r.Machine = fmt.Sprintf("%d × %s, %.0f GiB, Linux %s", runtime.NumCPU(), cpu, memory, unix.ByteSliceToString(u.Release[:]))
	r.Versions = map[string]string{
		"vrfredist": firstLine("git", "describe", "--always", "--dirty"),
		"Go":        runtime.Version(),
		"GoBGP":     firstLine("go", "list", "-m", "-f", "{{.Version}}", "github.com/osrg/gobgp/v3"),
	}
	maps.Copy(r.Versions, receivers)
	return nil
}

// rivals are those receivers that could be had.
func (r *results) rivals() []string {
	return slices.DeleteFunc(slices.Clone(allRivals), func(name string) bool { return slices.Contains(r.LeftOut, name) })
}

func firstLine(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil {
		return "unknown: " + err.Error()
	}
	return line
}

const resultsFile = "results.json"

// write writes results.json and what is rendered from it.
func (r *results) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return r.render(dir)
}

func readResults(dir string) (*results, error) {
	text, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(text, r)
}
