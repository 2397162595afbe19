package gobgp3

import "testing"

// TestInsides: GoBGP is laid out as we take it to be, and its methods that reflection
// sees have the signatures with which they are linked.
func TestInsides(t *testing.T) {
	if _, err := learnInsides(); err != nil {
		t.Fatal(err)
	}
}
