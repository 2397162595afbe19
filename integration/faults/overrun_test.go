package faults_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// dropped is how many messages the kernel had no room for in the daemon's netlink
// sockets (/proc/net/netlink).
func (w *network) dropped() int {
	w.T.Helper()
	sockets := map[string]bool{}
	dir := fmt.Sprintf("/proc/%d/fd", w.daemon.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.T.Fatalf("list the daemon's descriptors: %v", err)
	}
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		if inode, ok := strings.CutPrefix(link, "socket:["); err == nil && ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/netlink", w.daemon.PID()))
	if err != nil {
		w.T.Fatalf("read /proc/net/netlink: %v", err)
	}
	sum := 0
	for _, line := range strings.Split(string(text), "\n")[1:] {
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		f := strings.Fields(line)
		if len(f) < 10 || !sockets[f[9]] {
			continue
		}
		n, err := strconv.Atoi(f[8])
		if err != nil {
			w.T.Fatalf("/proc/net/netlink: %q", line)
		}
		sum += n
	}
	return sum
}

// metered is the line of a configuration that resyncs needs.
const metered = "\n[netlink.metrics]\n  listen = \"127.0.0.1:9179\"\n"

// resyncs are how often the daemon has read the whole table, by reason.
func (w *network) resyncs() map[string]int {
	w.T.Helper()
	text, err := w.get("http://127.0.0.1:9179/metrics")
	if err != nil {
		w.T.Fatalf("read the metrics: %v", err)
	}
	found := map[string]int{}
	for _, m := range resyncLine.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			w.T.Fatalf("metrics: %q", m[0])
		}
		found[m[1]] = n
	}
	if len(found) == 0 {
		w.T.Fatalf("the metrics count no resync:\n%s", text)
	}
	return found
}

var resyncLine = regexp.MustCompile(`(?m)^vrfredist_resyncs_total\{.*reason="(\w+)".*\} (\d+)$`)

// get is what the daemon answers to an HTTP request on the router's loopback.
func (w *network) get(url string) ([]byte, error) {
	client := http.Client{Timeout: lab.Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (conn net.Conn, err error) {
			err = w.rtr.Enter(func() (err error) { conn, err = net.Dial(network, address); return err })
			return conn, err
		},
	}}
	answer, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// profiled are the arguments that collected needs.
var profiled = []string{"--pprof", "127.0.0.1:6061"}

// collected is at which size the daemon's heap is collected next, in bytes: a multiple of what
// was alive when it was collected last.
func (w *network) collected() int {
	w.T.Helper()
	text, err := w.get("http://127.0.0.1:6061/debug/pprof/heap?debug=1")
	if err != nil {
		w.T.Fatalf("ask for the heap's profile: %v", err)
	}
	m := nextCollection.FindSubmatch(text)
	if m == nil {
		w.T.Fatalf("the heap's profile does not say when it is collected:\n%s", text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		w.T.Fatalf("the heap is collected at %q: %v", m[1], err)
	}
	return n
}

var nextCollection = regexp.MustCompile(`(?m)^# NextGC = (\d+)$`)

// memory is the daemon's resident memory in bytes.
func (w *network) memory() int {
	w.T.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.daemon.PID()))
	if err != nil {
		w.T.Fatalf("read the daemon's memory: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		w.T.Fatalf("read the daemon's memory: %q", text)
	}
	return pages * os.Getpagesize()
}

// flood are foreign routes that come, and those that go again.
func flood(n int) (come, leave []string) {
	for i := range n {
		prefix := fmt.Sprintf("100.%d.%d.0/24", 64+i>>8&63, i&255) + fmt.Sprintf(" metric %d", 1+i>>14)
		come = append(come, "route add "+prefix+" via 10.0.0.9 dev eth0 proto static")
		leave = append(leave, "route del "+prefix+" proto static")
	}
	return come, leave
}

// The daemon is stopped while more changes happen than the kernel can hold for it.
func TestFault10Overrun(t *testing.T) {
	const gone, noise = 1000, 30_000
	w := newNetwork(t, routes)
	w.daemon = w.rtr.Daemon(exporting() + metered)
	w.wait(all(routes), all(routes6))
	counted := w.resyncs()["overflow"]
	pid := w.daemon.PID()
	come, leave := flood(noise)
	lines := append(come, leave...)
	for i := range gone {
		lines = append(lines, "route del "+prefix4(i)+" proto 179")
	}
	w.daemon.Signal(syscall.SIGSTOP)
	w.rtr.Batch(lines...)
	lab.Equal(t, "routes while it was stopped", routes+routes6-gone, w.oracle.Count())
	drops := w.dropped()
	if drops == 0 {
		t.Fatalf("no message was lost in %d changes: this proves nothing", len(lines))
	}
	want := model(all(routes), all(routes6))
	began := time.Now()
	w.daemon.Signal(syscall.SIGCONT)
	promised(t, fmt.Sprintf("%d deleted, %d changes in all, %d messages lost: exact", gone, len(lines), drops), w.exact(began, want), 2*time.Second)
	w.atRest(routes + routes6)
	if !w.daemon.Running() || w.daemon.PID() != pid {
		t.Error("the daemon did not live through it")
	}
	before := counted
	lab.WaitFor(t, "the overrun is counted", lab.Patience, func() string {
		if counted = w.resyncs()["overflow"] - before; counted < 1 {
			return "not yet"
		}
		return ""
	})
	measured(t, "counted %d times as overflow, no exit", counted)
}

// Another program floods the table without end: our routes stay, memory is bounded,
// and afterwards all is exact.
func TestFault11Flood(t *testing.T) {
	w := newNetwork(t, routes)
	w.daemon = w.rtr.Daemon(exporting()+metered, profiled...)
	w.wait(all(routes), all(routes6))
	length := scaled(5*time.Second, 30*time.Second)
	mark, s := w.rtr.Mark(), w.sample()
	before, heap := w.memory(), w.collected()
	most, mostHeap, changes := before, heap, 0
	come, leave := flood(20_000)
	resyncs, start := sum(w.resyncs()), time.Now()
	for time.Since(start) < length {
		w.rtr.Batch(come...)
		most, mostHeap = max(most, w.memory()), max(mostHeap, w.collected())
		w.rtr.Batch(leave...)
		most, mostHeap = max(most, w.memory()), max(mostHeap, w.collected())
		changes += len(come) + len(leave)
	}
	began := time.Now()
	w.wait(all(routes), all(routes6))
	quiet := time.Since(began)
	resyncs = sum(w.resyncs()) - resyncs
	// One in 100 ms, and what was left over.
	if most := int(time.Since(start)/(100*time.Millisecond)) + 2; resyncs > most {
		t.Errorf("%d resyncs, want %d at most", resyncs, most)
	}
	s.finish()
	lab.Equal(t, "the fewest routes that any sample saw", routes+routes6, s.least)
	lab.Equal(t, "what happened to our routes meanwhile", 0, len(w.rtr.Since(mark)))
	// 20,000 foreign routes and the changes in hand take some memory, and an endless queue of a
	// million changes far more. What is alive says
	// so, which is a fifth of the size at which the heap is collected; resident is that size,
	// and what is not on the heap.
	const factor, alive, beside = 5, 100 << 20, 160 << 20
	if mostHeap > heap+factor*alive {
		t.Errorf("what is alive grew from %d to %d MiB", heap/factor>>20, mostHeap/factor>>20)
	}
	if most > mostHeap+beside {
		t.Errorf("%d MiB are resident, where the heap is collected at %d", most>>20, mostHeap>>20)
	}
	measured(t, "%d changes in %s: none of ours touched, %d resyncs, memory %d MiB before, %d at most, of it alive %d and %d; at rest %s after the end",
		changes, round(length), resyncs, before>>20, most>>20, heap/factor>>20, mostHeap/factor>>20, round(quiet))
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
