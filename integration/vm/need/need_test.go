package need

import (
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

func askVRF() *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		VRF(r)
	}()
	<-done
	return r
}

func TestMissingVRFIsNeverSilent(t *testing.T) {
	// An ip that fails, as it does on a kernel without VRF devices.
	t.Setenv("PATH", t.TempDir())

	t.Setenv(RequireVRF, "1")
	if r := askVRF(); !r.fatal {
		t.Errorf("with %s=1 a missing VRF device did not fail the test: %+v", RequireVRF, r)
	}
	t.Setenv(RequireVRF, "")
	r := askVRF()
	if !r.skip {
		t.Errorf("a missing VRF device did not skip the test: %+v", r)
	}
	if !strings.Contains(r.format, "make test-vm") {
		t.Errorf("the reason %q does not say where the test runs", r.format)
	}
}

func TestVRFAgreesWithTheKernel(t *testing.T) {
	r := askVRF()
	if has := makeVRF() == nil; has == (r.skip || r.fatal) {
		t.Errorf("a VRF device can be made: %v; what VRF did: %+v", has, r)
	}
}
