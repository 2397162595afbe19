// Package trial has tests that do what the test of apart asks for in a variable.
package trial

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/apart"
)

var asked = os.Getenv("VRFREDIST_TRIAL")

func TestMain(m *testing.M) { os.Exit(apart.Run(m, 2)) }

func TestA(t *testing.T) { t.Logf("process %d", os.Getpid()) }
func TestB(t *testing.T) { t.Logf("process %d", os.Getpid()) }
func TestC(t *testing.T) { t.Logf("process %d", os.Getpid()) }

func TestD(t *testing.T) {
	t.Logf("process %d", os.Getpid())
	t.Run("sub", func(t *testing.T) {
		switch asked {
		case "failure":
			t.Error("as it was asked to")
		case "panic":
			panic("as it was asked to")
		case "exit":
			os.Exit(0)
		case "hang":
			time.Sleep(time.Hour)
		}
	})
}

func FuzzE(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(*testing.T, int) {})
}

func ExampleF() {
	fmt.Println("said")
	// Output: said
}

func BenchmarkG(*testing.B) {}
