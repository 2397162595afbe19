package faults_test

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// birdctl is a connection to BIRD's control socket: birdc's own start would be most
// of a short time that is measured.
type birdctl struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dialBIRD(t testing.TB, socket string) *birdctl {
	t.Helper()
	c := &birdctl{t: t}
	lab.WaitFor(t, "bird takes commands", lab.Patience, func() string {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return err.Error()
		}
		c.conn = conn
		return ""
	})
	t.Cleanup(func() { c.conn.Close() }) // it may have ended before: no more is wanted of it
	c.in = bufio.NewReader(c.conn)
	c.answer()
	return c
}

// do runs a command and waits for the end of its answer.
func (c *birdctl) do(command string) {
	if _, err := c.conn.Write([]byte(command + "\n")); err != nil {
		c.t.Errorf("tell bird to %s: %v", command, err)
		return
	}
	c.answer()
}

// answer reads up to the line whose code is followed by a space: the last one.
func (c *birdctl) answer() {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Errorf("read bird's answer: %v", err)
			return
		}
		if len(line) > 4 && line[0] >= '0' && line[0] <= '9' && line[4] == ' ' {
			return
		}
	}
}

// latencies takes a route away and brings it back for a while, and returns how long
// each change took to be seen in the kernel.
func latencies(t testing.TB, ctl *birdctl, o *oracle.Oracle, while time.Duration) []time.Duration {
	t.Helper()
	var all []time.Duration
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for i, end := 0, time.Now().Add(while); time.Now().Before(end) || i%2 == 1; i++ {
		<-pause.C
		command, want := "disable steady", 0
		if i%2 == 1 {
			command, want = "enable steady", 1
		}
		began := time.Now()
		ctl.do(command)
		for deadline := began.Add(limit()); o.Count() != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the kernel does not have it", command)
			}
			// Looking costs the processor that the daemon needs: what takes long is
			// looked at less often, and measured to 2 percent.
			time.Sleep(max(200*time.Microsecond, time.Since(began)/50))
		}
		all = append(all, time.Since(began))
	}
	return all
}
