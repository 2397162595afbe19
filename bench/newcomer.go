package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// newcomerScenario is `make demo` where nothing has been built yet.
const (
	newcomerScenario = "newcomer"
	firstDemo        = "make demo, nothing built yet"
	demoAgain        = "make demo again"
)

// newcomer plays the demo with an empty cache of builds, and once more. What the program and the demo
// need of other modules and packages is there.
func newcomer(w *work, t *stage) {
	cache, err := os.MkdirTemp("", "vrfredist-first-build")
	t.must(err)
	t.Cleanup(func() { t.must(os.RemoveAll(cache)) })
	const script = "scripts/demo.sh"
	if _, err := os.Stat(script); err != nil {
		t.Fatalf("%w: run this in the repository", err)
	}
	for _, subject := range []string{firstDemo, demoAgain} {
		cmd := exec.CommandContext(t.ctx, script)
		cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(cache, "go"), "VRFREDIST=")
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %w: %s", subject, err, out)
		}
		w.note(newcomerScenario, subject, "s", time.Since(began).Seconds())
		used := cmd.ProcessState
		w.note(newcomerScenario, subject, "CPU s", (used.UserTime() + used.SystemTime()).Seconds())
	}
}
