package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What /proc says of a process and of the namespace that it is in. Nothing of
// it takes a lock that a writer of routes holds.

// ticks is USER_HZ, which is 100 on every architecture that Linux has.
const ticks = 100

// cpuTime is the CPU time of processes so far.
func cpuTime(t *stage, pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		t.must(err)
		// The name in parentheses may hold blanks.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			t.must(err)
			sum += time.Duration(n) * time.Second / ticks
		}
	}
	return sum
}

// status sums one field of the processes' status, in bytes where it is in kB.
func status(t *stage, pids []int, field string) (sum float64) {
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		t.must(err)
		for _, line := range strings.Split(string(data), "\n") {
			name, value, _ := strings.Cut(line, ":")
			if name != field {
				continue
			}
			words := strings.Fields(value)
			n, err := strconv.ParseFloat(words[0], 64)
			t.must(err)
			if len(words) > 1 {
				n *= 1024
			}
			sum += n
		}
	}
	return sum
}

// received is how many bytes eth0 of the process's namespace has received.
func received(t *stage, pid int) int64 { return deviceStat(t, pid, "eth0", 0) }

// dropped is how many packets a device of the process's namespace did not send: it is down,
// has no carrier, or nobody is at its other end.
func dropped(t *stage, pid int, device string) int64 { return deviceStat(t, pid, device, 11) }

// deviceStat is one of the numbers in /proc/net/dev.
func deviceStat(t *stage, pid int, device string, column int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	t.must(err)
	for _, line := range strings.Split(string(data), "\n") {
		name, counters, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == device {
			n, err := strconv.ParseInt(strings.Fields(counters)[column], 10, 64)
			t.must(err)
			return n
		}
	}
	t.Fatalf("the namespace of process %d has no %s", pid, device)
	return 0
}

// listens tells whether somebody in the process's namespace listens for BGP.
func listens(pid int) bool {
	for _, file := range []string{"tcp", "tcp6"} {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		for _, line := range strings.Split(string(data), "\n") {
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1], ":00B3") && f[3] == "0A" {
				return true
			}
		}
	}
	return false
}

// routes counts the routes of the process's namespace, of all tables; of IPv4 those of
// the table local are left out, because without rules of its own a namespace has one
// trie for local and main, which the kernel shows for both (fib_triestat_seq_show). For IPv4
// the kernel walks its tries, some 50 ms for a million, so it is asked when a
// sample says that all should be there, and not before.
func routes(t *stage, pid int, ipv6 bool) int {
	if ipv6 {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/rt6_stats", pid))
		t.must(err)
		n, err := strconv.ParseInt(strings.Fields(string(data))[3], 16, 64) // fib_rt_entries
		t.must(err)
		return int(n)
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/fib_triestat", pid))
	t.must(err)
	n, err := triePrefixes(data)
	t.must(err)
	return n
}

// triePrefixes sums the prefixes in a fib_triestat, but for those of the table local.
func triePrefixes(stat []byte) (sum int, err error) {
	local := false
	for lines := bufio.NewScanner(bytes.NewReader(stat)); lines.Scan(); {
		// A table's part begins with its name, "Main:" or "Id 1001:".
		if name, ok := strings.CutSuffix(lines.Text(), ":"); ok {
			local = name == "Local"
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "Prefixes:"); ok && !local {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}
