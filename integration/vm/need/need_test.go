package need

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// recorder notes how a test was ended. Its embedded TB is nil: what VRF is not
// expected to call panics.
type recorder struct {
	testing.TB
	fatal, skip bool
	format      string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, _ ...any) {
	r.fatal, r.format = true, format
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, _ ...any) {
	r.skip, r.format = true, format
	runtime.Goexit()
}

// ask calls what skips a test or fails it.
func ask(need func(testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		need(r)
	}()
	<-done
	return r
}

func TestWhatIsMissingIsNeverSilent(t *testing.T) {
	// An ip that fails, as it does on a kernel that lacks what it is asked for.
	t.Setenv("PATH", t.TempDir())
	for required, need := range map[string]func(testing.TB){RequireVRF: VRF, RequireSRv6: SRv6} {
		t.Run(required, func(t *testing.T) {
			t.Setenv(required, "1")
			if r := ask(need); !r.fatal {
				t.Errorf("with %s=1 what is missing did not fail the test: %+v", required, r)
			}
			t.Setenv(required, "")
			r := ask(need)
			if !r.skip {
				t.Errorf("what is missing did not skip the test: %+v", r)
			}
			if !strings.Contains(r.format, "make test-vm") {
				t.Errorf("the reason %q does not say where the test runs", r.format)
			}
		})
	}
}

func TestNeedsAgreeWithTheKernel(t *testing.T) {
	for what, need := range map[string]struct {
		ask func(testing.TB)
		has error
	}{"a VRF device": {VRF, makeVRF()}, "a route into SRv6": {SRv6, segmentPackets()}} {
		if r := ask(need.ask); (need.has == nil) == (r.skip || r.fatal) {
			t.Errorf("%s can be made: %v; what was done: %+v", what, need.has, r)
		}
	}
}

// TestReasonIsKnown: those who run tests in user-mode Linux know by its words why one was skipped
// that is to run once more.
func TestReasonIsKnown(t *testing.T) {
	rules, err := os.ReadFile("../vm.mk")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`-again '([^']+)'`).FindSubmatch(rules)
	if m == nil || !regexp.MustCompile(string(m[1])).MatchString(NoSRv6) {
		t.Errorf("vm.mk has run again what is skipped for %q, and tests are skipped for %q", m, NoSRv6)
	}
}
