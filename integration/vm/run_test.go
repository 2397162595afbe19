package main

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestMachineThatDoesNotComeUp: it is told from a command that takes long, which is not
// begun again.
func TestMachineThatDoesNotComeUp(t *testing.T) {
	for name, up := range map[string]bool{"hangs in its boot": false, "takes long": true} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			m := &machine{began: time.Now(), frames: r}
			if up {
				if err := (&sender{to: w}).send(frameStarted, nil); err != nil {
					t.Fatal(err)
				}
			}
			code, err := m.wait(2*time.Second, time.Second, nil)
			if code != exitTimeout || errors.Is(err, errNoBoot) == up {
				t.Errorf("%d, %v", code, err)
			}
		})
	}
}
