package guide

import (
	"os/exec"
	"strings"
	"testing"
)

// A command sees a terminal, of the width for which the guides are written, and its status is kept.
func TestAtTerminal(t *testing.T) {
	t.Parallel()
	out, err := atTerminal(exec.Command("sh", "-c", "[ -t 1 ] && [ -t 2 ] && stty size <&1; echo wrong >&2; exit 3"))
	if out != "50 120\nwrong\n" || err == nil || err.Error() != "exit status 3" {
		t.Errorf("%q, %v", out, err)
	}
}

// A pattern takes what it shows, and nothing else.
func TestPattern(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		want, out string
		fits      bool
	}{
		{"a  b …\n…\nend", "a b 17\nx\ny\nend\n", true},
		{"a  b …\n…\nend", "a b 17\nx\ny\nend.\n", false},
		{"10.1.0.0/16 via x", "10.1.0.0/16  via x \n\n", true},
		{"10.1.0.0/16 via x", "10.1.0.0/16 via x\n10.2.0.0/16 via x\n", false},
	} {
		if got := pattern(strings.Split(tc.want, "\n")).MatchString(plain(tc.out)); got != tc.fits {
			t.Errorf("%q of %q: %v", tc.want, tc.out, got)
		}
	}
}
