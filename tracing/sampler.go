package tracing

import (
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
)

// few is the sampler where the environment names none: the first routes of each second. A single
// route that somebody looks for is traced, and a full table costs next to nothing. OpenTelemetry's
// own default traces all.
type few struct {
	mu     sync.Mutex
	second time.Time // guarded by mu, as is left
	left   int
}

// eachSecond is how many routes of all VRFs together few takes in a second.
const eachSecond = 10

var fewName = fmt.Sprintf("the first %d routes of each second", eachSecond)

func newFew() *few { return &few{} }

// ShouldSample implements trace.Sampler.
func (f *few) ShouldSample(trace.SamplingParameters) trace.SamplingResult {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.second) >= time.Second {
		f.second, f.left = now, eachSecond
	}
	if f.left == 0 {
		return trace.SamplingResult{Decision: trace.Drop}
	}
	f.left--
	return trace.SamplingResult{Decision: trace.RecordAndSample}
}

// Description implements trace.Sampler.
func (f *few) Description() string { return fewName }
