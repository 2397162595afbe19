package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/peers"
)

func TestRanks(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4, 2, 3}
	for p, want := range map[int]float64{0: 1, 1: 1, 50: 3, 99: 5, 100: 5} {
		if got := percentile(values, p); got != want {
			t.Errorf("percentile %d: %v, want %v", p, got, want)
		}
	}
	if got := median(values); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
	if got := median(values[:4]); got != 3 {
		t.Errorf("median of four %v, want 3", got)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]string{0: "0", 0.123: "0.12", 12.34: "12.3", 123.4: "123", 1234: "1234", 246_789: "246,800", 1_000_000: "1,000,000"} {
		if got := format(in); got != want {
			t.Errorf("%v became %s, want %s", in, got, want)
		}
	}
}

// What is rendered must hold what was measured, say which aims are met, and
// stand without what was not.
func TestRender(t *testing.T) {
	t.Parallel()
	r := &results{Scale: 1, Runs: 3, IPv4: 1_000_000, IPv6: 200_000, Versions: map[string]string{"BIRD": "BIRD version 2.0.12"}}
	for _, s := range []float64{12, 10, 11} {
		r.note("session", ours, "s", s)
		r.note("session", bird, "s", s-1)
		r.note("session", frr, "s", s)
	}
	r.note("failover", ours, "ms", 4)
	r.note(linkDown, ours, allMoved, 3000)
	r.note(linkDown, ours, writtenAnew, 2500)
	r.note(linkDown, bird3, allMoved, 2000)
	r.note(carrierLost, oursBackup, lostInside, 0)
	r.note(killed, ours, lostInside, 1)
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"medians of 1 to 3 runs (3 were asked for), all programs",
		"| vrfredist | 11 (10–12) |",
		"| session, time ÷ BIRD | at most 1.50 | 1.10 | yes |",
		"| session, FRR's time ÷ ours | at least 2 | 1 | **no** |",
		"| the better neighbour's link down, all moved ÷ all written anew | at most 1.20 | 1.20 | yes |",
		"| the better neighbour's link down, all moved ÷ BIRD 3 | at most 1 | 1.50 | **no** |",
		"| the better neighbour's carrier lost, backup_routes, packets lost for want of a route | at most 0 | 0 | yes |",
		"| the better neighbour killed, packets lost for want of a route | at most 0 | 1 | **no** |",
		"| restart, routes written | at most 0 | – | not measured |",
		"BIRD 2.0.12.",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	chart, err := os.ReadFile(filepath.Join(dir, "chart.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(chart), "<?xml") || !strings.Contains(string(chart), "BIRD") {
		t.Errorf("the chart is none: %.80s", chart)
	}
	again, err := readResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := again.value("session", ours, "s"); !ok || v != 11 {
		t.Errorf("read back %v, %v", v, ok)
	}
}

// What PEs need as they grow is drawn over their number, and only where it was measured.
func TestChartOfPEs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chart := filepath.Join(dir, "fabric.svg")
	r := &results{Scale: 1, Runs: 1}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(chart); err == nil {
		t.Error("there is a chart of nothing")
	}
	for _, pes := range []int{10, 2, 6} {
		for i, quantity := range []string{fabricMemory, fabricCPU, fabricAdded} {
			r.note(fabricScenario, fabricOf(pes), quantity, float64(111*pes+i))
		}
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "| 6 PEs | 666 | 667 | 668 |"; !strings.Contains(string(text), want) || !strings.Contains(string(text), "(fabric.svg)") {
		t.Errorf("no %q, or no chart, in:\n%s", want, text)
	}
	drawn, err := os.ReadFile(chart)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<?xml", fabricMemory, ">222<", ">1112<"} {
		if !strings.Contains(string(drawn), want) {
			t.Errorf("the chart has no %q", want)
		}
	}
}

func TestASampleIsFoundByItsAddress(t *testing.T) {
	t.Parallel()
	var table []netip.Prefix
	for _, p := range []string{"20.0.0.0/16", "20.0.0.0/24", "20.1.0.0/16", "20.1.1.0/24", "2001:db8::/32", "2001:db8::/48"} {
		table = append(table, netip.MustParsePrefix(p))
	}
	got := ""
	for _, p := range sampled(table, len(table)) {
		got += p.String() + " "
	}
	if want := "20.0.0.0/24 20.1.0.0/16 20.1.1.0/24 2001:db8::/48 "; got != want {
		t.Errorf("sampled %s, want %s", got, want)
	}
}

// The two tables main and local have one trie, which is shown twice, until somebody adds a
// rule.
func TestRoutesAreCountedOnce(t *testing.T) {
	t.Parallel()
	const merged = "Basic info: size of leaf: 48 bytes, size of tnode: 40 bytes.\nMain:\n\tLeaves:         4\n\tPrefixes:       5\nNull ptrs: 6\nLocal:\n\tPrefixes:       5\n"
	const apart = "Basic info: size of leaf: 48 bytes, size of tnode: 40 bytes.\nId 1001:\n\tPrefixes:       7\nMain:\n\tPrefixes:       2\nLocal:\n\tPrefixes:       3\n"
	for stat, want := range map[string]int{merged: 5, apart: 9, "": 0} {
		if n, err := triePrefixes([]byte(stat)); n != want || err != nil {
			t.Errorf("%d routes, %v; want %d of\n%s", n, err, want, stat)
		}
	}
}

// The folder of another version is named by the receiver whose configuration it reads.
func TestOrigins(t *testing.T) {
	t.Parallel()
	here := t.TempDir()
	var o origins
	for text, ok := range map[string]bool{
		"BIRD 3=" + here: true, "FRR 10=" + here: true,
		"BIRD=" + here: false, "FRR 10=": false, "bird3=" + here: false, "FRR 10": false, "FRR 10=" + filepath.Join(here, "nothing"): false,
	} {
		if err := o.Set(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	p := programs{origins: o}
	if host, newer := p.origin(bird).Path("bird"), p.origin(bird3).Path("bird"); host != "bird" || newer != filepath.Join(here, "usr/sbin/bird") {
		t.Errorf("BIRD is %s, and BIRD 3 %s", host, newer)
	}
}

// A receiver that cannot be had takes part in no scenario, and is named; the others are in every
// scenario that compares them.
func TestWhatCannotBeHadIsLeftOut(t *testing.T) {
	t.Parallel()
	w := &work{}
	w.origins.add(frr10, mustIn(t, t.TempDir())) // an empty folder
	findRivals(t.Context(), w, regexp.MustCompile("^load: (BIRD|FRR 10|vrfredist)$"))
	if !slices.Contains(w.LeftOut, frr10) || slices.Contains(w.LeftOut, bird3) {
		t.Fatalf("left out: %q", w.LeftOut)
	}
	var with, without int
	for _, s := range w.scenarios() {
		switch {
		case strings.HasSuffix(s.name, ": "+frr10):
			without++
		case strings.HasSuffix(s.name, ": "+bird3):
			with++
		}
	}
	if without != 0 || with < 8 {
		t.Errorf("%d scenarios have what is left out, and %d what is there", without, with)
	}
	dir := t.TempDir()
	if err := w.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "could not be had there: "; !strings.Contains(string(text), want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
}

func mustIn(t *testing.T, folder string) peers.Programs {
	t.Helper()
	p, err := peers.In(folder)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
