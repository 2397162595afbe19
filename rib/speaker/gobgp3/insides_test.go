package gobgp3

import (
	"os"
	"strings"
	"testing"
)

// TestInsides: GoBGP is laid out as we take it to be, and is the version whose
// unexported methods are linked: nothing but its version says what they take.
func TestInsides(t *testing.T) {
	if _, err := learnInsides(); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/osrg/gobgp/v3 v3.37.0\n") || strings.Contains(string(mod), "replace") {
		t.Error("go.mod has another GoBGP than v3.37.0, whose unexported methods are linked: compare each with the new one, then change this test")
	}
}
