package gobgp3

import (
	"os"
	"testing"

	"github.com/vrfredist/vrfredist/integration/apart"
)

// lanes is how many processes the tests are dealt to at a time: they wait for sessions most
// of their time, and cannot wait in parallel, because two GoBGPs in one process share the
// package variables of path selection.
const lanes = 6

func TestMain(m *testing.M) { os.Exit(apart.Run(m, lanes)) }
